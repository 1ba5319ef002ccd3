import { EventStream } from "../../../src/actor/event-stream.ts";
import type { CallOptions, RefOf, SubscribeOptions } from "../../../src/actor/index.ts";
import { fault, fromWireError, type Fault, type WireError } from "../../../src/errors/index.ts";
import type { Clock } from "../../../src/scope/index.ts";
import type { ConnectionInfo, Network, NodeFigures, PeerHint } from "../../../src/peers/network.protocol.ts";
import { envelopeOf } from "../../../src/peers/sealed-envelope.ts";
import type { Signer } from "./record-kit.ts";

/** A peer as the network's actor would find it. A test changes it as it likes. */
export interface FakePeer {
  readonly peerId: string;
  address: string;
  isReachable: boolean;
  /** What it answers to `net.record`; null: it does not speak that. */
  record: Uint8Array | null;
  rttMs: number;
  /** Pings fail. */
  isMute: boolean;
  /** 10^6 bits per second of a sampled transfer. */
  mbps: number;
  /** What it was told by `registry.told`. */
  readonly told: Uint8Array[];
  counters: Pick<ConnectionInfo, "bytesSent" | "bytesReceived" | "requestsServed">;
}

/** The network's actor, played by a test: peers that answer at once or never, on a clock that moves only when told. */
export class FakeNetwork {
  readonly peers = new Map<string, FakePeer>();
  readonly own: Signer;
  addresses = ["/ip4/127.0.0.1/tcp/4000"];
  /** What was published, provided, dialled and hung up, in order. */
  readonly published: Uint8Array[] = [];
  readonly provided: string[][] = [];
  readonly dialled: { peerId: string | null; addresses: string[]; atMs: number }[] = [];
  readonly hungUp: string[] = [];
  readonly served = new Set<string>();
  readonly replies: { requestId: number; end: { ok: boolean; body?: Uint8Array; error?: WireError } }[] = [];
  providers: PeerHint[] = [];
  /** Seen before anybody listened. */
  sightings: PeerHint[] = [];
  readonly #clock: Clock;
  readonly #connections = new Map<string, ConnectionInfo>();
  readonly #streams = new Map<string, Set<EventStream<unknown>>>();
  readonly #pending = new Set<(why: Fault) => void>();
  #isUp = true;
  #waiting: PromiseWithResolvers<void>[] = [];

  constructor(clock: Clock, own: Signer) {
    this.#clock = clock;
    this.own = own;
  }

  add(signer: Signer, overrides: Partial<FakePeer> = {}): FakePeer {
    const peer: FakePeer = {
      peerId: signer.peerId,
      address: `/ip4/127.0.0.1/tcp/4001/p2p/${signer.peerId}`,
      isReachable: true,
      record: null,
      rttMs: 10,
      isMute: false,
      mbps: 80,
      told: [],
      counters: { bytesSent: 0, bytesReceived: 0, requestsServed: 0 },
      ...overrides,
    };
    this.peers.set(peer.peerId, peer);
    return peer;
  }

  /** The peer connects by itself, or a dial has led to it. */
  connect(peerId: string, overrides: Partial<ConnectionInfo> = {}): ConnectionInfo {
    const peer = this.peers.get(peerId);
    const info: ConnectionInfo = {
      peerId,
      address: peer?.address ?? "",
      direction: "inbound",
      limited: false,
      sinceMs: this.#clock.wallNow(),
      protocolVersion: "mcplusplus/1",
      agent: "test",
      bytesSent: 0,
      bytesReceived: 0,
      requestsServed: 0,
      ...overrides,
    };
    this.#connections.set(peerId, info);
    this.emit("connected", info);
    return info;
  }

  drop(peerId: string): void {
    if (this.#connections.delete(peerId)) this.emit("disconnected", { peerId, why: "it has gone" });
  }

  isConnected(peerId: string): boolean {
    return this.#connections.has(peerId);
  }

  emit(event: string, value: unknown): void {
    for (const stream of this.#streams.get(event) ?? []) stream.push(value);
  }

  ask(peerId: string, method: string, body: Uint8Array = new Uint8Array()): void {
    this.emit("requested", { requestId: this.replies.length + 1, peerId, method, body, remainingMs: 5_000 });
  }

  kill(): void {
    this.#isUp = false;
    this.#connections.clear();
    const why = fault("ACTOR_RESTARTING", { actor: "network" });
    for (const reject of [...this.#pending]) reject(why);
    for (const streams of this.#streams.values()) for (const stream of [...streams]) stream.finish(why);
  }

  revive(): void {
    this.#isUp = true;
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }

  get ref(): RefOf<typeof Network> {
    const members = {
      figures: () => this.#figures(),
      connections: () => ({
        connections: [...this.#connections.values()].map((info) => this.#counted(info)),
      }),
      dial: (params: { peerId: string | null; addresses: string[] }) => this.#dial(params),
      hangUp: ({ peerId }: { peerId: string }) => {
        const wasConnected = this.isConnected(peerId);
        this.hungUp.push(peerId);
        this.drop(peerId);
        return { wasConnected };
      },
      request: (params: { peerId: string; method: string; body: Uint8Array }) => this.#request(params),
      ping: ({ peerId }: { peerId: string }) => {
        const peer = this.#connected(peerId);
        if (peer.isMute) throw fault("DEADLINE_EXCEEDED", { what: "ping", timeoutMs: 5_000 });
        return { rttMs: peer.rttMs };
      },
      serve: ({ prefixes }: { prefixes: string[] }) => prefixes.forEach((each) => this.served.add(each)),
      publish: ({ record }: { record: Uint8Array }) => {
        this.published.push(record);
        return { peers: this.#connections.size };
      },
      provide: ({ capabilities }: { capabilities: string[] }) => {
        this.provided.push(capabilities);
        return { provided: capabilities.length };
      },
      sightings: () => ({ peers: this.sightings }),
      findProviders: () => ({ peers: this.providers }),
      seal: async (content: { domain: string; payloadType: Uint8Array; payload: Uint8Array }) => ({
        envelope: await envelopeOf(this.own.key, content),
      }),
    };
    const call = Object.fromEntries(
      Object.entries(members).map(([name, handle]) => [
        name,
        (params: never, options?: CallOptions) => this.#call(name, async () => handle(params), options),
      ]),
    );
    const events = ["connected", "disconnected", "readdressed", "requested", "withdrawn", "heard", "sighted"];
    const on = Object.fromEntries(
      events.map((event) => [event, (options?: SubscribeOptions) => this.#subscribe(event, options)]),
    );
    const cast = { reply: (reply: (typeof this.replies)[number]) => this.replies.push(reply) > 0 };
    const ready = (options?: { signal?: AbortSignal }): Promise<void> => this.#ready(options?.signal);
    return { name: "network", call, cast, on, ready, shared: () => null } as unknown as RefOf<typeof Network>;
  }

  #figures(): NodeFigures {
    const { addresses, own } = this;
    return { peerId: own.peerId, addresses, connections: 0, serving: 0, refused: {} };
  }

  #counted(info: ConnectionInfo): ConnectionInfo {
    return { ...info, ...this.peers.get(info.peerId)?.counters };
  }

  #dial({
    peerId,
    addresses,
  }: {
    peerId: string | null;
    addresses: string[];
  }): ConnectionInfo | Promise<never> {
    this.dialled.push({ peerId, addresses, atMs: this.#clock.now() });
    const peer = peerId === null ? undefined : this.peers.get(peerId);
    if (addresses.some((address) => address.startsWith("/ip4/10.")))
      throw fault("ADDRESS_NOT_ALLOWED", { address: addresses[0] ?? "", why: "it is on a private network" });
    if (peer === undefined || !peer.isReachable)
      throw fault("PEER_UNREACHABLE", { peer: peerId ?? addresses[0] ?? "", why: "nobody is there" });
    return this.#connections.get(peer.peerId) ?? this.connect(peer.peerId, { direction: "outbound" });
  }

  #connected(peerId: string): FakePeer {
    const peer = this.peers.get(peerId);
    if (peer === undefined || !this.isConnected(peerId))
      throw fault("PEER_NOT_FOUND", { peerId, why: "is not connected" });
    return peer;
  }

  async #request({ peerId, method, body }: { peerId: string; method: string; body: Uint8Array }): Promise<{
    body: Uint8Array;
  }> {
    const peer = this.#connected(peerId);
    const unspoken = (): Fault => fault("PEER_PROTOCOL", { peerId, why: `nobody serves ${method}` });
    if (method === "net.sample") {
      const bytes = new DataView(body.buffer, body.byteOffset).getUint32(0);
      await this.#after((bytes * 8) / 1_000 / peer.mbps + peer.rttMs);
      return { body: new Uint8Array(bytes) };
    }
    if (method === "registry.told") {
      peer.told.push(body);
      return { body: new Uint8Array() };
    }
    if (method !== "net.record" || peer.record === null) throw unspoken();
    return { body: peer.record };
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.at(this.#clock.now() + ms, resolve));
  }

  #call(name: string, run: () => Promise<unknown>, { signal }: CallOptions = {}): Promise<unknown> {
    if (!this.#isUp) return Promise.reject(fault("ACTOR_RESTARTING", { actor: "network" }));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.add(reject);
    const cancel = (): void => reject(fault("CANCELLED", { what: name }));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    run()
      .then(resolve, reject)
      .finally(() => {
        this.#pending.delete(reject);
        signal?.removeEventListener("abort", cancel);
      });
    return promise;
  }

  #subscribe(event: string, { signal, buffer = 1_024 }: SubscribeOptions = {}): EventStream<unknown> {
    const streams = this.#streams.get(event) ?? new Set();
    this.#streams.set(event, streams);
    const stream = new EventStream<unknown>(
      { actor: "network", event },
      buffer,
      () => streams.delete(stream),
      signal,
    );
    if (!this.#isUp) stream.finish(fault("ACTOR_RESTARTING", { actor: "network" }));
    else if (signal?.aborted !== true) streams.add(stream);
    return stream;
  }

  #ready(signal?: AbortSignal): Promise<void> {
    if (this.#isUp) return Promise.resolve();
    const waiter = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => waiter.reject(fault("CANCELLED", { what: "waiting" })), {
      once: true,
    });
    this.#waiting.push(waiter);
    return waiter.promise;
  }

  /** The faults that were answered to peers, by code. */
  get refusals(): string[] {
    return this.replies.flatMap(({ end }) =>
      end.error === undefined ? [] : [fromWireError(end.error).code],
    );
  }
}
