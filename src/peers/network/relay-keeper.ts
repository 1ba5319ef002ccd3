import type { Listener } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { LIMITS, sentenceOf } from "../../errors/index.ts";
import type { Clock, Timer } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Dialler } from "./dialler.ts";
import type { Transports } from "./host.ts";
import type { PeerBook } from "./peer-book.ts";

export interface RelayPlace {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Of circuit relay v2, where reservations are made. */
const HOP_PROTOCOL = "/libp2p/circuit/relay/0.2.0/hop";
const LOOK_MS = 5_000;
/** For the question whether a peer is a relay. */
const ASK_MS = 5_000;
/** After a failure; doubled each time. */
const AGAIN_MS_MAX = 120_000;

/**
 * Keeps a reservation at each of the relays that were named, as long as the node lives: libp2p makes one, and does not
 * make it again when the relay, or the way to it, was gone for a while.
 */
export class RelayKeeper {
  readonly #place: RelayPlace;
  readonly #dialler: Dialler;
  readonly #book: PeerBook;
  readonly #transports: Transports;
  readonly #timers = new Set<Timer>();

  constructor(dialler: Dialler, book: PeerBook, transports: Transports, place: RelayPlace) {
    this.#dialler = dialler;
    this.#book = book;
    this.#transports = transports;
    this.#place = place;
  }

  /** Resolves when each has been tried once. */
  async open(relays: readonly string[]): Promise<void> {
    await Promise.all(relays.map((relay) => this.#keep(relay, undefined, LOOK_MS)));
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  async #keep(relay: string, listener: Listener | undefined, againMs: number): Promise<void> {
    let own = listener;
    let nextMs = LOOK_MS;
    try {
      if (own === undefined || own.getAddrs().length === 0) own = await this.#reserve(relay, own);
    } catch (error) {
      if (this.#place.signal.aborted) return;
      nextMs = Math.min(2 * againMs, AGAIN_MS_MAX);
      this.#place.log.warn("no reservation at a relay", { relay, why: sentenceOf(error), againMs: nextMs });
    }
    this.#later(nextMs, () => void this.#keep(relay, own, nextMs));
  }

  /** @returns what listens there: the same one is used again, since libp2p keeps each for ever */
  async #reserve(relay: string, listener: Listener | undefined): Promise<Listener | undefined> {
    const { signal } = this.#place;
    const { peerId } = await this.#dialler.dial({ peerId: null, addresses: [relay] }, signal);
    await this.#checkRelays(peerId);
    const circuit = multiaddr(`${relay}/p2p-circuit`);
    if (listener !== undefined) {
      await listener.listen(circuit);
      return listener;
    }
    const before = new Set(this.#transports.getListeners());
    const own = (): Listener | undefined => this.#transports.getListeners().find((each) => !before.has(each));
    try {
      await this.#transports.listen([circuit]);
    } catch (error) {
      // It is kept although it failed; the next try is made with it.
      if (own() === undefined) throw error;
    }
    return own();
  }

  /**
   * libp2p never asks a peer again that has not spoken this once, such as a relay that is just starting.
   *
   * @throws PEER_PROTOCOL, PEER_LOST
   */
  async #checkRelays(peerId: string): Promise<void> {
    const signal = AbortSignal.any([this.#place.signal, AbortSignal.timeout(ASK_MS)]);
    // Each connection that leads through it is such a stream, too.
    const stream = await this.#book.newStream(peerId, HOP_PROTOCOL, LIMITS.network.connections, signal);
    stream.abort(new Error("it was only asked whether it relays"));
  }

  #later(ms: number, run: () => void): void {
    if (this.#place.signal.aborted) return;
    const { clock } = this.#place;
    const timer = clock.at(clock.now() + ms, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }
}
