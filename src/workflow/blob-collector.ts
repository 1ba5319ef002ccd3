import type { RefOf } from "../actor/index.ts";
import type { Cache } from "../cache/cache.protocol.ts";
import { addressesInPieces } from "../codec/index.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import type { Clock, Timer } from "../scope/index.ts";
import { LOOK_START, type BlobStore, type Collected, type LookPlace } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { CautiousTime } from "./cautious-time.ts";

/** One part of what somebody names. */
interface Part {
  readonly addresses: readonly string[];
  readonly next: LookPlace | null;
}

export interface CollectorServices {
  readonly blobs: BlobStore;
  readonly queue: Pick<RefOf<typeof Queue>, "call">;
  readonly cache: Pick<RefOf<typeof Cache>, "call">;
  /** The scheduler's own. */
  readonly rows: { references(from: LookPlace): Promise<Part> };
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: Log;
}

export type CollectorLimits = Pick<typeof LIMITS.store, "collectMs" | "collectedAgeMs">;

/** The first collection of a life is not the first thing that it does. */
const FIRST_MS = 2_000;
/** After one that failed, or was put off. */
const AGAIN_MS = 60_000;

/**
 * Removes the large values that nobody names any more: marks what the rows of the queue, of the cache and of the
 * scheduler name, and what is named within that; and sweeps what is old and not marked.
 *
 * Nothing that is, or is about to be, named by a row is removed, because
 * - a row that is there during the whole look is seen;
 * - whoever is about to write a row makes the value young first, and what is named within it (`touchValues`); young is
 *   what was put or touched since the oldest attempt began that runs now, or in the minutes before;
 * - the wall clock is not trusted when it is set ahead (`CautiousTime`);
 * - an owner that does not answer, or a file that cannot be read, ends the collection before anything is removed.
 *
 * It stands here because the scheduler is the one owner that can ask the other two. All it does is wait, for one row or
 * file after the other, so that no thread is held up; and it keeps nothing that the next life would need.
 */
export class BlobCollector {
  readonly #services: CollectorServices;
  readonly #limits: CollectorLimits;
  readonly #time: CautiousTime;
  /** By address, of values that are named: what they name themselves. They never change, so each is read once. */
  #within: ReadonlyMap<string, readonly string[]> = new Map();
  #round: { readonly done: Promise<Collected>; readonly stop: AbortController } | null = null;
  #heldUntilMs = -Infinity;
  #timer: Timer | undefined;
  #last: (Collected & { readonly atMs: number }) | null = null;

  constructor(services: CollectorServices, limits: CollectorLimits = LIMITS.store) {
    this.#services = services;
    this.#limits = limits;
    this.#time = new CautiousTime(services.clock, limits.collectedAgeMs);
    services.signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
  }

  /** The latest collection of this life that came to its end. */
  get last(): (Collected & { readonly atMs: number }) | null {
    return this.#last;
  }

  /** From now on it collects by itself: soon, when the last collection, in whatever life, is long ago. */
  async start(): Promise<void> {
    const { blobs, clock, log } = this.#services;
    let agoMs = Infinity;
    try {
      agoMs = clock.wallNow() - ((await blobs.collectedAtMs()) ?? -Infinity);
    } catch (error) {
      log.debug("nobody knows when large values were last collected", { error });
    }
    // A clock that was set back makes it lie in the future.
    const leftMs = agoMs < 0 ? 0 : this.#limits.collectMs - agoMs;
    this.#arm(Math.max(FIRST_MS, leftMs));
  }

  /**
   * Collects now. One that goes on already is the answer for all who ask meanwhile.
   *
   * @throws UNAVAILABLE while values are held; what asking an owner throws; FILE_UNREADABLE, STORE_FAILED, CANCELLED.
   *   Nothing that is named has been removed then.
   */
  collect(): Promise<Collected> {
    if (this.#round !== null) return this.#round.done;
    const { clock, signal } = this.#services;
    if (clock.now() < this.#heldUntilMs) return Promise.reject(held());
    const stop = new AbortController();
    const done = this.#collect(AbortSignal.any([signal, stop.signal])).finally(() => (this.#round = null));
    this.#round = { done, stop };
    return done;
  }

  /**
   * Resolves when nothing is being removed, and nothing will be for so long. A backup asks for it, again and again; so
   * does whoever begins a life among others that have gone on.
   */
  async hold(forMs: number): Promise<void> {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, this.#services.clock.now() + forMs);
    this.#round?.stop.abort(held());
    await this.#round?.done.catch(() => undefined);
  }

  async #collect(signal: AbortSignal): Promise<Collected> {
    const { blobs, queue, clock } = this.#services;
    const beganMs = clock.now();
    const atMs = this.#time.of(beganMs);
    const ask = { signal, timeoutMs: Infinity };
    const first = await queue.call.references({ from: LOOK_START }, ask);
    // What was stored since the look began may have got its row since then. Set back, the clock makes it look old.
    const beforeMs = (): number =>
      Math.min(atMs, this.#time.of(beganMs)) - this.#limits.collectedAgeMs - first.attemptMs;
    const unnamed = new Set<string>();
    for await (const sha256 of blobs.old(beforeMs())) {
      signal.throwIfAborted();
      unnamed.add(sha256);
    }
    if (unnamed.size > 0) await this.#spare(unnamed, first, signal);
    const collected = await blobs.collect({ keep: (sha256) => !unnamed.has(sha256), beforeMs, signal });
    this.#last = { ...collected, atMs };
    return collected;
  }

  /** Takes out what anyone names, and what is named within that. */
  async #spare(unnamed: Set<string>, first: Part, signal: AbortSignal): Promise<void> {
    const named = new Set<string>();
    const take = (addresses: readonly string[]): void => {
      for (const address of addresses) {
        named.add(address);
        unnamed.delete(address);
      }
    };
    take(first.addresses);
    for await (const addresses of this.#namedByRows(first.next, signal)) take(addresses);
    const within = new Map<string, readonly string[]>();
    // It grows while it is gone through.
    for (const address of named) {
      if (unnamed.size === 0) break;
      const inner = this.#within.get(address) ?? (await this.#namedIn(address, signal));
      if (inner === null) continue;
      within.set(address, inner);
      take(inner);
    }
    this.#within = within;
  }

  /** @param next where the look at the queue goes on */
  async *#namedByRows(next: LookPlace | null, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const { queue, cache, rows } = this.#services;
    const ask = { signal, timeoutMs: Infinity };
    const owners = [
      (from: LookPlace): Promise<Part> => queue.call.references({ from }, ask),
      (from: LookPlace): Promise<Part> => cache.call.references({ from }, ask),
      (from: LookPlace): Promise<Part> => rows.references(from),
    ];
    for (const [at, part] of owners.entries()) {
      let from = at === 0 ? next : LOOK_START;
      while (from !== null) {
        const { addresses, next: further } = await part(from);
        signal.throwIfAborted();
        yield addresses;
        from = further;
      }
    }
  }

  /** Null when it is not there, and what it names, when it comes back, is to be looked up anew. */
  async #namedIn(address: string, signal: AbortSignal): Promise<readonly string[] | null> {
    try {
      const found = await addressesInPieces(this.#pieces(address, signal));
      return found.size === 0 ? NONE : [...found];
    } catch (error) {
      if (isFault(error, "BLOB_MISSING")) return null;
      throw error;
    }
  }

  async *#pieces(address: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#services.blobs.pieces(address)) {
      signal.throwIfAborted();
      yield piece;
    }
  }

  #arm(inMs: number): void {
    const { clock, signal } = this.#services;
    if (signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = clock.at(clock.now() + inMs, () => void this.#collectAndArm());
  }

  /** A defect is not caught: it ends the actor. */
  async #collectAndArm(): Promise<void> {
    const { signal, log } = this.#services;
    try {
      const { removed, freedBytes } = await this.collect();
      if (removed > 0) log.info("large values that nobody names were removed", { removed, freedBytes });
      this.#arm(this.#limits.collectMs);
    } catch (error) {
      if (signal.aborted) return;
      if (!isFault(error)) throw error;
      log.debug("large values are collected later", { error });
      this.#arm(AGAIN_MS);
    }
  }
}

const NONE: readonly string[] = [];

const held = (): Error =>
  fault("UNAVAILABLE", {
    what: "the collection of large values",
    why: "a backup is being made, or the scheduler has only just been restarted",
  });
