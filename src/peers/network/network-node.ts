import type { PrivateKey } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { LIMITS, fault, isFault, peek, sentenceOf, toWireError } from "../../errors/index.ts";
import { checkInteger, invalidArgument } from "../../schema/index.ts";
import { pause, unlessAborted, type Clock } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { ConnectionInfo, HostInit, NodeFigures, PeerHint, PeerRequest } from "../network.protocol.ts";
import { checkAddress, checkPeerId } from "../peer-names.ts";
import { envelopeOf } from "../sealed-envelope.ts";
import type { SealedContent } from "../sealed-envelope.ts";
import { ByteStreams } from "./byte-streams.ts";
import { Dialler, type DialRequest } from "./dialler.ts";
import { isMethod } from "./frame.ts";
import { guarded } from "./guarded.ts";
import { openHost, type Host } from "./host.ts";
import { hostKey } from "./host-key.ts";
import type { KeptPorts } from "./kept-ports.ts";
import { hintOf, Rumours } from "./rumours.ts";
import { LINK_PROTOCOL, PeerBook } from "./peer-book.ts";
import { Refusals } from "./refusals.ts";
import { RelayKeeper } from "./relay-keeper.ts";
import { RequestDesk } from "./request-desk.ts";
import { Sightings } from "./sightings.ts";

/** Where a node lives, and whom it tells what happens. */
export interface NodePlace {
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the node is to stop. */
  readonly signal: AbortSignal;
  readonly connected: (info: ConnectionInfo) => void;
  readonly disconnected: (peerId: string, why: string) => void;
  readonly readdressed: (addresses: string[]) => void;
  readonly requested: (request: PeerRequest) => void;
  readonly withdrawn: (requestId: number) => void;
  readonly opened: (streamId: number, peerId: string, protocol: string) => void;
  readonly heard: (record: Uint8Array) => void;
  readonly sighted: (hint: PeerHint) => void;
}

const { streamsPerPeer, pingMs, requestMs } = LIMITS.network;
const STOP_MS = 4_000;
/** Between the end of requests and that of the connection. */
const HANG_UP_MS = 1_000;
const ANNOUNCED_MAX = 4;
const PROTOCOL = /^\/[\x21-\x7e]{1,127}$/;

/** A node of the network, with everything that it does: what the actor is a shell of. Nothing of libp2p leaves it. */
export class NetworkNode {
  readonly peerId: string;
  readonly refusals: Refusals;
  readonly desk: RequestDesk;
  readonly streams: ByteStreams;
  readonly sightings: Sightings;
  readonly #host: Host;
  readonly #key: PrivateKey;
  readonly #place: NodePlace;
  readonly #book: PeerBook;
  readonly #dialler: Dialler;
  readonly #rumours: Rumours;
  readonly #relays: RelayKeeper;
  readonly #defect: (error: unknown) => void;
  readonly #accepted = new Set<string>();
  /** What was announced last, beside what is listened on. */
  #announced: readonly string[] = [];
  #addresses: string;

  private constructor(host: Host, key: PrivateKey, init: HostInit, place: NodePlace) {
    this.#host = host;
    this.#key = key;
    this.#place = place;
    this.peerId = host.node.peerId.toString();
    this.refusals = new Refusals();
    const { clock } = place;
    const { refusals } = this;
    const defect = (error: unknown): void => {
      refusals.count("defect");
      place.log.error("a peer has met a bug", { error: toWireError(error) });
    };
    this.#defect = defect;
    this.desk = new RequestDesk(this.peerId, { ...place, refused: (why) => refusals.count(why) });
    this.#book = new PeerBook(host.node, { ...place, refusals, desk: this.desk, defect });
    const carried = (peerId: string, sent: number, received: number): void =>
      this.#book.peers.get(peerId)?.carried(sent, received);
    this.streams = new ByteStreams({ clock, refusals, defect, opened: place.opened, carried });
    this.#dialler = new Dialler(host.node, this.#book, clock, init.reach);
    this.sightings = new Sightings(clock, place.sighted);
    const sighted = (hint: PeerHint): void => this.sightings.add(hint);
    this.#rumours = new Rumours(host.node, { ...place, sighted, refusals, defect });
    this.#relays = new RelayKeeper(this.#dialler, this.#book, host.transports, place);
    this.#addresses = "";
  }

  /** @throws INVALID_ARGUMENT, FILE_UNREADABLE, FILE_UNWRITABLE, UNAVAILABLE */
  static async open(init: HostInit, place: NodePlace, ports: KeptPorts): Promise<NetworkNode> {
    const sound = checked(init);
    const key = await hostKey(sound.keyFile);
    const node = await NetworkNode.#openAgain(sound, key, place, ports);
    ports.keep(sound.listen, node.#listening());
    node.#started(sound);
    return node;
  }

  /** At the ports of the life before, unless somebody else has taken them meanwhile. */
  static async #openAgain(
    init: HostInit,
    key: PrivateKey,
    place: NodePlace,
    ports: KeptPorts,
  ): Promise<NetworkNode> {
    const listen = ports.again(init.listen);
    if (listen !== null) {
      try {
        return await NetworkNode.#openAt({ ...init, listen }, key, place);
      } catch (error) {
        if (!isFault(error, "UNAVAILABLE")) throw error;
        place.log.warn("the node gets another port than before", { why: error.message });
      }
    }
    return NetworkNode.#openAt(init, key, place);
  }

  static async #openAt(init: HostInit, key: PrivateKey, place: NodePlace): Promise<NetworkNode> {
    const made: { node?: NetworkNode } = {};
    await openHost(
      init,
      key,
      (peerId, addresses) => made.node?.seen(peerId, addresses),
      async (prepared) => {
        made.node = new NetworkNode(prepared, key, init, place);
        await made.node.#book.open();
      },
    );
    const { node } = made;
    if (node === undefined) throw fault("UNAVAILABLE", { what: "the network", why: "it has not been made" });
    return node;
  }

  figures(): NodeFigures {
    let connections = 0;
    for (const peer of this.#book.peers.values()) connections += peer.connections.size;
    return {
      peerId: this.peerId,
      addresses: this.#ownAddresses(),
      connections,
      serving: this.desk.serving,
      refused: this.refusals.figures(),
    };
  }

  // --- connections ------------------------------------------------------------------------------------------------------

  dial(request: DialRequest, signal: AbortSignal): Promise<ConnectionInfo> {
    return this.#dialler.dial(request, signal);
  }

  async hangUp(peerIdText: string, graceMs: number): Promise<boolean> {
    const peerId = checkPeerId("peerId", peerIdText);
    checkInteger("graceMs", graceMs, 0, requestMs);
    const peer = this.#book.peers.get(peerId);
    if (peer === undefined) return false;
    peer.isLeaving = true;
    const { clock } = this.#place;
    const endMs = clock.now() + graceMs;
    const isBusy = (): boolean => (peer.openAsking?.waiting ?? 0) + peer.guest.serving > 0;
    while (isBusy() && clock.now() < endMs && this.#book.peers.get(peerId) === peer)
      await pause(LOOK_MS, { clock });
    const connections = [...peer.connections];
    await Promise.allSettled(
      connections.map((each) => each.close({ signal: AbortSignal.timeout(HANG_UP_MS) })),
    );
    for (const each of connections) if (each.status !== "closed") each.abort(new Error("hung up"));
    return true;
  }

  connections(): ConnectionInfo[] {
    return [...this.#book.peers.values()].map((peer) => peer.info());
  }

  announce(addresses: readonly string[]): void {
    if (addresses.length > ANNOUNCED_MAX)
      throw invalidArgument("addresses", `${addresses.length} addresses`, `at most ${ANNOUNCED_MAX}`);
    const own = `/p2p/${this.peerId}`;
    const bare = addresses.map((each, index) => checkAddress(`addresses[${index}]`, each).replace(own, ""));
    const manager = this.#host.addresses;
    for (const gone of this.#announced.filter((each) => !bare.includes(each)))
      manager.removeObservedAddr(multiaddr(gone));
    for (const address of bare) {
      manager.addObservedAddr(multiaddr(address));
      // Whoever announces it knows it from the gateway, which is a better word than that of a peer.
      manager.confirmObservedAddr(multiaddr(address), { ttl: Number.MAX_SAFE_INTEGER });
    }
    this.#announced = bare;
  }

  // --- requests ---------------------------------------------------------------------------------------------------------

  /** @param timeoutMs what is left of the caller's time */
  async request(
    { peerId, method, body }: { peerId: string; method: string; body: Uint8Array },
    {
      timeoutMs,
      signal,
      traceparent,
    }: { timeoutMs: number; signal: AbortSignal; traceparent?: string | undefined },
  ): Promise<Uint8Array> {
    if (!isMethod(method)) {
      const allowed = `1 to ${LIMITS.network.methodChars} characters of a–z A–Z 0–9 . _ / -`;
      throw invalidArgument("method", JSON.stringify(method), allowed);
    }
    const link = await this.#book.asking(checkPeerId("peerId", peerId), signal);
    return link.request({ method, body, timeoutMs, signal, traceparent });
  }

  async ping(peerId: string, signal: AbortSignal): Promise<number> {
    const link = await this.#book.asking(checkPeerId("peerId", peerId), signal);
    const { clock } = this.#place;
    const late = Promise.withResolvers<never>();
    const timer = clock.at(clock.now() + pingMs, () =>
      late.reject(fault("DEADLINE_EXCEEDED", { what: `a ping of peer ${peerId}`, timeoutMs: pingMs })),
    );
    try {
      return await unlessAborted(Promise.race([link.ping(), late.promise]), signal);
    } finally {
      timer.cancel();
    }
  }

  // --- byte streams -------------------------------------------------------------------------------------------------------

  async openStream(peerIdText: string, protocol: string, signal: AbortSignal): Promise<number> {
    const peerId = checkPeerId("peerId", peerIdText);
    checkProtocol(protocol);
    this.streams.checkRoom(peerId, protocol);
    const stream = await this.#book.newStream(peerId, protocol, streamsPerPeer, signal);
    return this.streams.add(stream, peerId);
  }

  async acceptStreams(protocols: readonly string[]): Promise<void> {
    for (const protocol of protocols) {
      checkProtocol(protocol);
      if (this.#accepted.has(protocol)) continue;
      this.#accepted.add(protocol);
      try {
        await this.#host.node.handle(
          protocol,
          (stream, connection) => this.streams.accept(stream, connection),
          {
            // Beyond ours, so that those too many are counted.
            maxInboundStreams: 2 * streamsPerPeer,
            maxOutboundStreams: 2 * streamsPerPeer,
            runOnLimitedConnection: true,
          },
        );
      } catch (error) {
        this.#accepted.delete(protocol);
        if (peek(error, "name") !== "DuplicateProtocolHandlerError") throw error;
        throw invalidArgument("protocols", protocol, "protocols that the node does not speak itself");
      }
    }
  }

  // --- discovery ----------------------------------------------------------------------------------------------------------

  async publish(record: Uint8Array): Promise<number> {
    const { recordBytes } = LIMITS.discovery;
    if (record.length > recordBytes)
      throw invalidArgument("record", `${record.length} bytes`, `at most ${recordBytes} bytes`);
    this.desk.showRecord(record);
    return this.#rumours.publish(record);
  }

  provide(capabilities: readonly string[], signal: AbortSignal): Promise<number> {
    return this.#rumours.provide(capabilities, signal);
  }

  findProviders(capabilities: readonly string[], max: number, signal: AbortSignal): Promise<PeerHint[]> {
    checkInteger("max", max, 1, LIMITS.peers.discovered);
    return this.#rumours.providers(capabilities, max, signal);
  }

  seal(content: SealedContent): Promise<Uint8Array> {
    return envelopeOf(this.#key, content);
  }

  /** Everything under way ends, and its peers are told. Resolves within a few seconds, whatever they do. */
  async stop(): Promise<void> {
    this.#relays.close();
    this.streams.closeAll();
    this.#book.close("this node stops");
    const timeout = AbortSignal.timeout(STOP_MS);
    try {
      await unlessAborted(Promise.resolve(this.#host.node.stop()), timeout);
    } catch (error) {
      this.#place.log.warn("the node did not stop in order", { why: sentenceOf(error) });
    }
  }

  #started({ relays }: HostInit): void {
    this.#rumours.open();
    this.#addresses = this.#ownAddresses().join();
    const look = (): void => {
      const addresses = this.#ownAddresses();
      if (addresses.join() === this.#addresses) return;
      this.#addresses = addresses.join();
      this.#place.readdressed(addresses);
    };
    this.#host.node.addEventListener("self:peer:update", guarded(look, this.#defect));
    void this.#relays.open(relays);
  }

  /** What mDNS says. */
  seen(peerId: string, addresses: string[]): void {
    const tell = (): void => {
      const hint = hintOf(peerId, addresses, "mdns");
      if (hint !== null && hint.peerId !== this.peerId) this.sightings.add(hint);
    };
    guarded(tell, this.#defect)(undefined);
  }

  #ownAddresses(): string[] {
    return this.#host.node.getMultiaddrs().map((address) => {
      const text = address.toString();
      return text.endsWith(`/p2p/${this.peerId}`) ? text : `${text}/p2p/${this.peerId}`;
    });
  }

  #listening(): string[] {
    return this.#host.transports.getListeners().flatMap((listener) => listener.getAddrs().map(String));
  }
}

/** Between two looks whether a peer that is hung up has come to its end. */
const LOOK_MS = 10;

/** @throws INVALID_ARGUMENT */
function checked(init: HostInit): HostInit {
  const { relays: relaysMax, connections } = LIMITS.network;
  if (init.relays.length > relaysMax) {
    throw invalidArgument("relays", `${init.relays.length} addresses`, `at most ${relaysMax}`);
  }
  checkInteger("connectionsMax", init.connectionsMax, 1, connections);
  const all = (name: string, addresses: readonly string[]): string[] =>
    addresses.map((each, index) => checkAddress(`${name}[${index}]`, each));
  const { listen, announce, relays } = init;
  return {
    ...init,
    listen: all("listen", listen),
    announce: all("announce", announce),
    relays: all("relays", relays),
  };
}

function checkProtocol(protocol: string): void {
  if (PROTOCOL.test(protocol) && protocol !== LINK_PROTOCOL) return;
  throw invalidArgument(
    "protocol",
    JSON.stringify(protocol),
    'the id of another protocol, such as "/mcp+p2p/1.0.0"',
  );
}
