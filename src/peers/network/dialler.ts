import { peerIdFromString } from "@libp2p/peer-id";
import type { Connection, Libp2p } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { LIMITS, fault, isFault, peek, sentenceOf } from "../../errors/index.ts";
import { invalidArgument } from "../../schema/index.ts";
import { linkSignals, unlessAborted, type Clock } from "../../scope/index.ts";
import type { ConnectionInfo, Reach } from "../network.protocol.ts";
import { checkAddress, checkPeerId, peerIdIn } from "../peer-names.ts";
import { dialable } from "./address-reach.ts";
import { errorOf } from "./libp2p-stream.ts";
import type { PeerBook } from "./peer-book.ts";
import type { Services } from "./host.ts";

export interface DialRequest {
  readonly peerId: string | null;
  readonly addresses: readonly string[];
}

const { dialMs, addresses: ADDRESSES_MAX } = LIMITS.network;

/** One attempt at a peer, whoever it is, by all its addresses. */
export class Dialler {
  readonly #node: Libp2p<Services>;
  readonly #book: PeerBook;
  readonly #clock: Clock;
  readonly #reach: readonly Reach[];

  constructor(node: Libp2p<Services>, book: PeerBook, clock: Clock, reach: readonly Reach[]) {
    this.#node = node;
    this.#book = book;
    this.#clock = clock;
    this.#reach = reach;
  }

  /** As `Network.dial` promises. @param signal of its caller */
  async dial(request: DialRequest, signal: AbortSignal): Promise<ConnectionInfo> {
    const { peerId, addresses } = checked(request, this.#node.peerId.toString());
    const name = peerId === null ? (addresses[0] ?? "") : `peer ${peerId}`;
    const attempt = new AbortController();
    const unlink = linkSignals([signal], () =>
      attempt.abort(fault("CANCELLED", { what: `the dial of ${name}` })),
    );
    const timer = this.#clock.at(this.#clock.now() + dialMs, () => {
      attempt.abort(
        fault("PEER_UNREACHABLE", { peer: name, why: `nobody answered within ${dialMs / 1_000} s` }),
      );
    });
    try {
      return await this.#attempt(peerId, addresses, name, attempt.signal);
    } catch (error) {
      attempt.signal.throwIfAborted();
      throw isFault(error) ? error : fault("PEER_UNREACHABLE", { peer: name, why: reasonOf(error) });
    } finally {
      timer.cancel();
      unlink();
    }
  }

  async #attempt(
    peerId: string | null,
    addresses: readonly string[],
    name: string,
    signal: AbortSignal,
  ): Promise<ConnectionInfo> {
    const known = peerId === null ? undefined : this.#book.peers.get(peerId);
    if (known?.best() !== undefined) return this.#warmUp(known.peerId, signal);
    const { addresses: found, refused, unresolved } = await dialable(addresses, this.#reach, signal);
    if (found.length === 0) {
      const [first] = refused;
      throw (
        first ?? fault("PEER_UNREACHABLE", { peer: name, why: unresolved.join("; ") || "it has no address" })
      );
    }
    const targets = found.map((address) =>
      multiaddr(peerId === null || peerIdIn(address) !== null ? address : `${address}/p2p/${peerId}`),
    );
    const connection = await unlessAborted(this.#node.dial(targets, { signal }), signal);
    const answered = connection.remotePeer.toString();
    // An id that is the hash of a key cannot be held against the handshake, and so libp2p takes whoever answers.
    if (peerId !== null && answered !== peerId) {
      connection.abort(new Error("somebody else answered"));
      throw fault("PEER_UNREACHABLE", { peer: name, why: `peer ${answered} answers there` });
    }
    return this.#warmUp(answered, signal, connection);
  }

  /** A burst of streams on a connection that the other side has not set up yet would end it: one goes ahead. */
  async #warmUp(peerId: string, signal: AbortSignal, connection?: Connection): Promise<ConnectionInfo> {
    try {
      const link = await this.#book.asking(peerId, signal);
      await unlessAborted(link.ping(), signal);
    } catch (error) {
      signal.throwIfAborted();
      // A node of another kind, such as one to start from, does not speak our protocol, and need not.
      if (!isFault(error, "PEER_PROTOCOL")) throw unreachable(peerId, error);
      await this.#pingOtherwise(peerId, signal);
    }
    if (connection !== undefined && connection.status !== "open" && !this.#book.peers.has(peerId))
      throw fault("PEER_UNREACHABLE", { peer: `peer ${peerId}`, why: "it closed the connection at once" });
    return this.#book.peer(peerId).info();
  }

  async #pingOtherwise(peerId: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#node.services.ping.ping(peerIdFromString(peerId), { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (errorOf(error).name !== "UnsupportedProtocolError") throw unreachable(peerId, error);
    }
  }
}

/** @throws INVALID_ARGUMENT */
function checked(request: DialRequest, ownId: string): { peerId: string | null; addresses: string[] } {
  const { addresses } = request;
  if (!Array.isArray(addresses) || addresses.length > ADDRESSES_MAX)
    throw invalidArgument("addresses", `${addresses.length} addresses`, `at most ${ADDRESSES_MAX}`);
  const canonical = addresses.map((each, index) => checkAddress(`addresses[${index}]`, each));
  let peerId = request.peerId === null ? null : checkPeerId("peerId", request.peerId);
  for (const [index, address] of canonical.entries()) {
    const named = peerIdIn(address);
    if (named === null) continue;
    peerId ??= named;
    if (named !== peerId)
      throw invalidArgument(`addresses[${index}]`, `one of peer ${named}`, `those of peer ${peerId}`);
  }
  if (peerId === ownId) throw invalidArgument("peerId", "that of this node", "that of another one");
  if (canonical.length === 0 && peerId === null)
    throw invalidArgument("addresses", "empty", "at least one address");
  return { peerId, addresses: [...new Set(canonical)] };
}

const unreachable = (peerId: string, error: unknown): Error =>
  fault("PEER_UNREACHABLE", { peer: `peer ${peerId}`, why: reasonOf(error) }, { cause: error });

const REASONS_MAX = 4;

/** Why a dial failed, in one sentence: libp2p tells it address by address. */
function reasonOf(error: unknown): string {
  const several = peek(error, "errors");
  const errors: unknown[] = Array.isArray(several) && several.length > 0 ? several : [error];
  const reasons = [...new Set(errors.map(reasonOfOne))];
  return reasons.slice(0, REASONS_MAX).join("; ");
}

function reasonOfOne(error: unknown): string {
  const { name, message } = errorOf(error);
  if (name === "UnexpectedPeerError" || /does not match expected/.test(message))
    return "somebody else answers there";
  if (name === "TimeoutError" || name === "AbortError") return "nobody answered in time";
  return sentenceOf(message).split("\n")[0] ?? name;
}
