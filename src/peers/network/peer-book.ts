import type { Connection, IdentifyResult, Libp2p, Stream, StreamCloseEvent } from "@libp2p/interface";
import { LIMITS, fault, isFault, peek, sentenceOf, type Fault } from "../../errors/index.ts";
import { cutText } from "../../schema/index.ts";
import { unlessAborted, type Clock } from "../../scope/index.ts";
import type { ConnectionInfo } from "../network.protocol.ts";
import { AnsweringLink } from "./answering-link.ts";
import { AskingLink } from "./asking-link.ts";
import { guarded } from "./guarded.ts";
import { byteStreamOf, carryLink, errorOf } from "./libp2p-stream.ts";
import type { LinkSetup } from "./link-end.ts";
import { Peer } from "./peer.ts";
import type { Refusals } from "./refusals.ts";
import type { RequestDesk } from "./request-desk.ts";

export const LINK_PROTOCOL = "/mcplusplus/link/1.0.0";

export interface BookPlace {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly desk: RequestDesk;
  readonly connected: (info: ConnectionInfo) => void;
  readonly disconnected: (peerId: string, why: string) => void;
  readonly defect: (error: unknown) => void;
}

const { dialMs, linksPerPeer } = LIMITS.network;
/** Of a text that a peer tells of itself. */
const TOLD_CHARS = 256;
/** libp2p would reset those beyond its own bound without our counting them. */
const STREAMS_MARGIN = 32;

/** After all promises of this turn: the frames of requests that an actor has sent together leave together. */
const soon = (run: () => void): void => process.nextTick(run);

/** Who is connected, and the links to them. */
export class PeerBook {
  readonly #node: Libp2p;
  readonly #place: BookPlace;
  readonly #peers = new Map<string, Peer>();

  constructor(node: Libp2p, place: BookPlace) {
    this.#node = node;
    this.#place = place;
  }

  /** Before the node starts: a peer may be there at once. */
  async open(): Promise<void> {
    const hear = <Detail>(take: (detail: Detail) => void) =>
      guarded(({ detail }: CustomEvent<Detail>) => take(detail), this.#place.defect);
    this.#node.addEventListener(
      "connection:open",
      hear<Connection>((each) => this.#joined(each)),
    );
    this.#node.addEventListener(
      "connection:close",
      hear<Connection>((each) => this.#left(each)),
    );
    this.#node.addEventListener(
      "peer:identify",
      hear<IdentifyResult>((each) => this.#identified(each)),
    );
    await this.#node.handle(LINK_PROTOCOL, (stream, connection) => this.#answer(stream, connection), {
      maxInboundStreams: linksPerPeer + STREAMS_MARGIN,
      runOnLimitedConnection: true,
    });
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /** @throws PEER_NOT_FOUND */
  peer(peerId: string): Peer {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) throw fault("PEER_NOT_FOUND", { peerId, why: "is not connected" });
    if (peer.isLeaving) throw fault("PEER_NOT_FOUND", { peerId, why: "is being disconnected" });
    return peer;
  }

  /**
   * The link to ask a connected peer by; it is opened when there is none.
   *
   * @throws PEER_NOT_FOUND, PEER_LOST, PEER_PROTOCOL, and the reason of the signal
   */
  async asking(peerId: string, signal: AbortSignal): Promise<AskingLink> {
    const peer = this.peer(peerId);
    if (peer.openAsking !== null) return peer.openAsking;
    return unlessAborted(this.#opening(peer), signal);
  }

  /**
   * A new stream to a connected peer. A connection that is dead though it says that it is open is aborted, and the peer
   * dialled again, once.
   *
   * @throws PEER_NOT_FOUND, PEER_LOST, PEER_PROTOCOL, and the reason of the signal
   */
  async newStream(
    peerId: string,
    protocol: string,
    streamsMax: number,
    signal: AbortSignal,
  ): Promise<Stream> {
    let hasRedialled = false;
    for (;;) {
      const connection = this.peer(peerId).best();
      if (connection === undefined) throw fault("PEER_LOST", { peerId, why: "its connection is closing" });
      try {
        return await connection.newStream(protocol, {
          signal,
          maxOutboundStreams: streamsMax,
          runOnLimitedConnection: true,
        });
      } catch (error) {
        signal.throwIfAborted();
        if (!isDead(error)) throw streamFault(peerId, protocol, errorOf(error));
        connection.abort(errorOf(error));
        this.#left(connection);
        if (this.#peers.has(peerId)) continue;
        if (hasRedialled) throw streamFault(peerId, protocol, errorOf(error));
        hasRedialled = true;
        await this.#redial(connection, signal);
      }
    }
  }

  /** The node has stopped, or is about to: everything under way ends. */
  close(why: string): void {
    for (const peer of [...this.#peers.values()]) this.#ended(peer, why);
  }

  // --- connections ------------------------------------------------------------------------------------------------------

  #joined(connection: Connection): Peer {
    const peerId = connection.remotePeer.toString();
    let peer = this.#peers.get(peerId);
    const isNew = peer === undefined;
    if (peer === undefined) {
      peer = new Peer(peerId, this.#place.desk.guest(peerId), this.#place.clock.wallNow());
      this.#peers.set(peerId, peer);
    }
    if (peer.join(connection)) {
      const closed = guarded(
        ({ error }: StreamCloseEvent) => this.#left(connection, error),
        this.#place.defect,
      );
      connection.addEventListener("close", closed, { once: true });
      // It may have closed before anybody listened.
      if (connection.status !== "open") queueMicrotask(() => this.#left(connection));
    }
    if (isNew) this.#place.connected(peer.info());
    return peer;
  }

  readonly #left = (connection: Connection, error?: Error): void => {
    const peer = this.#peers.get(connection.remotePeer.toString());
    if (peer === undefined || !peer.leave(connection) || peer.connections.size > 0) return;
    this.#ended(
      peer,
      peer.isLeaving ? "it was hung up" : (error && sentenceOf(error)) || "its connection was closed",
    );
  };

  #ended(peer: Peer, why: string): void {
    this.#peers.delete(peer.peerId);
    peer.openAsking?.abort(why);
    for (const link of [...peer.answering]) link.abort(why);
    this.#place.disconnected(peer.peerId, why);
  }

  #identified({ peerId, protocolVersion, agentVersion }: IdentifyResult): void {
    const peer = this.#peers.get(peerId.toString());
    if (peer === undefined) return;
    peer.identity = { protocolVersion: told(protocolVersion), agent: told(agentVersion) };
  }

  async #redial({ remotePeer, remoteAddr, direction }: Connection, signal: AbortSignal): Promise<void> {
    const peerId = remotePeer.toString();
    try {
      // Where an inbound one came from, nobody listens; libp2p remembers what identify told.
      const connection = await this.#node.dial(direction === "outbound" ? remoteAddr : remotePeer, {
        signal,
      });
      this.#joined(connection);
    } catch (error) {
      signal.throwIfAborted();
      throw fault("PEER_LOST", {
        peerId,
        why: `its connection was dead, and it cannot be dialled again: ${sentenceOf(error)}`,
      });
    }
  }

  // --- links ------------------------------------------------------------------------------------------------------------

  /** All who ask meanwhile wait for the same one, each no longer than it likes. */
  #opening(peer: Peer): Promise<AskingLink> {
    if (peer.asking !== null) return peer.asking;
    const opening = this.#openAsking(peer).finally(() => {
      if (peer.asking === opening) peer.asking = null;
    });
    // Whoever waits hears of it.
    opening.catch(() => undefined);
    peer.asking = opening;
    return opening;
  }

  async #openAsking({ peerId }: Peer): Promise<AskingLink> {
    const timeout = new AbortController();
    const { clock } = this.#place;
    const timer = clock.at(clock.now() + dialMs, () => {
      timeout.abort(
        fault("PEER_LOST", { peerId, why: `it did not accept a stream within ${dialMs / 1_000} s` }),
      );
    });
    try {
      const stream = await this.newStream(peerId, LINK_PROTOCOL, linksPerPeer, timeout.signal);
      // The one that was asked may have gone, and have been dialled again.
      const peer = this.#peers.get(peerId);
      if (peer === undefined) {
        stream.abort(new Error("nobody is there"));
        throw fault("PEER_LOST", { peerId, why: "its connection was closed" });
      }
      const link: AskingLink = new AskingLink({
        ...this.#setup(peerId, stream),
        ended: () => {
          peer.ended(link);
          if (peer.openAsking === link) peer.openAsking = null;
        },
      });
      peer.openAsking = link;
      carryLink(stream, link, this.#place.defect);
      return link;
    } finally {
      timer.cancel();
    }
  }

  #answer(stream: Stream, connection: Connection): void {
    const peer = this.#joined(connection);
    if (peer.answering.size >= linksPerPeer) {
      this.#place.refusals.count("streams");
      stream.abort(new Error(`at most ${linksPerPeer} streams of requests`));
      return;
    }
    const setup = this.#setup(peer.peerId, stream);
    const ended = (): void => {
      peer.ended(link);
      peer.answering.delete(link);
    };
    const link: AnsweringLink = new AnsweringLink({ ...setup, ended }, peer.guest);
    peer.answering.add(link);
    carryLink(stream, link, this.#place.defect);
  }

  #setup(peerId: string, stream: Stream): Omit<LinkSetup, "ended"> {
    return {
      peerId,
      clock: this.#place.clock,
      soon,
      stream: byteStreamOf(stream),
      offended: (offence) => this.#place.refusals.count(offence),
    };
  }
}

/** Is the connection of no use, whatever it says of itself? */
function isDead(error: unknown): boolean {
  return DEAD.has(peek(errorOf(error), "name"));
}

const DEAD: ReadonlySet<unknown> = new Set([
  "ConnectionClosedError",
  "MuxerClosedError",
  "ConnectionClosingError",
]);

function streamFault(peerId: string, protocol: string, error: Error): Fault {
  if (isFault(error)) return error;
  if (error.name === "UnsupportedProtocolError")
    return fault("PEER_PROTOCOL", { peerId, why: `it does not speak ${protocol}` }, { cause: error });
  if (error.name === "TooManyOutboundProtocolStreamsError")
    return fault("PEER_LIMITED", {
      peerId,
      what: protocol,
      limit: LIMITS.network.streamsPerPeer,
      unit: "streams",
    });
  return fault("PEER_LOST", { peerId, why: sentenceOf(error) }, { cause: error });
}

const told = (text: string | undefined): string | null => (text ? cutText(text, TOLD_CHARS) : null);
