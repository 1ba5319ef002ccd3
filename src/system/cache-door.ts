import type { RefOf } from "../actor/index.ts";
import type { Cache, CacheLookup, CacheSelection, CacheStats } from "../cache/cache.protocol.ts";
import {
  Generation,
  NearCache,
  checkEntry,
  type NearCopy,
  type NearMark,
  type NearValue,
} from "../cache/near.protocol.ts";
import { addressesIn, packValue, unpackValue } from "../codec/index.ts";
import { touchValues } from "../compute/values.ts";
import { LIMITS, fault } from "../errors/index.ts";
import { checkNumber } from "../schema/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import type { BlobStore } from "../store/index.ts";
import { SharedComputation, type Computation } from "./shared-computation.ts";
import { throughRestarts } from "./through-restarts.ts";
import { valueCopies } from "./value-copies.ts";
import { withdrawn } from "./withdrawal.ts";

export interface CachePutOptions {
  /** Milliseconds from now, up to ten years; 0 expires at once. */
  readonly ttlMs: number;
  /** By which the entry can be invalidated together with others; at most 32. */
  readonly tags?: readonly string[];
  /** How much longer `getOrCompute` may show it while it is computed anew; default 0. */
  readonly staleMs?: number;
}

export interface GetOrComputeOptions extends CachePutOptions {
  /** How long a failure is kept and thrown again instead of being tried anew; default 0. */
  readonly negativeTtlMs?: number;
  /** Ends this caller's wait. The computation goes on while anybody waits for it, and no longer. */
  readonly signal?: AbortSignal;
}

/** A value that was found. It is the reader's own copy. */
export interface CachedValue {
  readonly value: unknown;
  /** Wall-clock milliseconds since 1970. */
  readonly storedAtMs: number;
  readonly expiresAtMs: number;
}

/** Where the large values are that values refer to. */
export type LargeValues = Pick<BlobStore, "touch" | "pieces">;

interface Flying {
  readonly computation: SharedComputation;
  /** Of before the cache was asked. */
  readonly mark: NearMark;
}

/** Of a thread without copies: nothing is kept under it. */
const UNMARKED: NearMark = Object.freeze({ stripe: 0, stamp: 0 });

/**
 * The result cache as a program sees it, one door per thread: values instead of bytes, hot ones without a message. What
 * has been put or invalidated by anyone, and acknowledged, is seen by every later read of every door.
 *
 * Requests that may be repeated are carried through restarts of the cache.
 */
export class CacheDoor {
  readonly #cache: RefOf<typeof Cache>;
  readonly #clock: Clock;
  readonly #large: LargeValues | null;
  readonly #closing = new AbortController();
  readonly #flying = new Map<string, Flying>();
  #near: NearCache | undefined;

  /**
   * @param cache `system.actors.cache`, or `context.ref(Cache)` of an actor that was spawned with `calls: ["cache"]`
   * @param large makes young what is put, so that nobody collects it meanwhile; null: nobody looks
   */
  constructor(cache: RefOf<typeof Cache>, clock: Clock = systemClock, large: LargeValues | null = null) {
    this.#cache = cache;
    this.#clock = clock;
    this.#large = large;
  }

  /**
   * The fresh value under the key; undefined = none, while a stored null is a value. A value that cannot be read back is
   * none.
   *
   * @throws INVALID_ARGUMENT, DEADLINE_EXCEEDED, MAILBOX_FULL, ACTOR_STOPPED
   */
  async get(key: string): Promise<CachedValue | undefined> {
    const near = this.#near?.find(key, this.#clock.wallNow());
    if (near !== undefined) return copied(near);
    const mark = this.#mark(key);
    const found = await throughRestarts(this.#cache, () => this.#cache.call.get({ key }));
    return found.hit ? this.#taken(key, found, mark) : undefined;
  }

  /**
   * Replaces what is there. Resolves when the value is on disk (it survives the process, not a loss of power) and every
   * later read of every thread finds it; when it rejects, nothing has changed.
   *
   * @throws INVALID_ARGUMENT, NOT_A_WIRE_VALUE, MESSAGE_TOO_LARGE, STORE_FULL, STORE_FAILED, STORE_CORRUPT,
   *   DEADLINE_EXCEEDED, MAILBOX_FULL, ACTOR_STOPPED; BLOB_MISSING when it refers to a large value that is not there
   */
  async put(key: string, value: unknown, { ttlMs, tags = [], staleMs = 0 }: CachePutOptions): Promise<void> {
    checkEntry(key, ttlMs, { tags, staleMs, negative: false });
    const put = { key, value: packValue(value), ttlMs, tags, staleMs };
    await this.#touch(put.value);
    await throughRestarts(this.#cache, () => this.#cache.call.put(put));
  }

  /**
   * The value under the key, computed when there is none. Callers of all threads that ask for the same key at once have
   * it computed once: the first one's `compute` runs, and all get its result or its error. With `staleMs`, a value whose
   * time is over is returned at once and computed anew behind the caller's back.
   *
   * A result that cannot be stored is returned all the same.
   *
   * @param compute its signal aborts when nobody waits any more
   * @throws what `compute` throws: to callers of other threads in the wire form of errors; CANCELLED; INVALID_ARGUMENT;
   *   NOT_A_WIRE_VALUE (the result), MAILBOX_FULL, ACTOR_STOPPED
   */
  async getOrCompute<T>(
    key: string,
    compute: (context: { readonly signal: AbortSignal }) => T | Promise<T>,
    { ttlMs, tags = [], staleMs = 0, negativeTtlMs = 0, signal }: GetOrComputeOptions,
  ): Promise<T> {
    checkEntry(key, ttlMs, { tags, staleMs, negative: false });
    checkNumber("negativeTtlMs", negativeTtlMs, 0, LIMITS.cache.ttlMs);
    if (signal?.aborted) throw withdrawn(`the cached value "${key}"`, signal);
    if (this.#closing.signal.aborted) throw fault("ACTOR_STOPPED", { actor: "the system" });
    const near = this.#near?.find(key, this.#clock.wallNow());
    // What is under a key is what its callers compute: the type is their word.
    if (near !== undefined) return copied(near).value as T;
    const { computation, mark } = this.#fly({ key, compute, ttlMs, tags, staleMs, negativeTtlMs });
    const landed = await computation.wait(signal);
    if (landed.kind === "value") this.#keep(key, landed, mark);
    return unpackValue(landed.value) as T;
  }

  /**
   * Resolves when no later read of any thread finds them, and a computation that began before fills the cache with none
   * of them. The number is of those that were there.
   *
   * @throws INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, STORE_CORRUPT, DEADLINE_EXCEEDED, MAILBOX_FULL, ACTOR_STOPPED
   */
  async invalidate(selection: CacheSelection): Promise<number> {
    return (await throughRestarts(this.#cache, () => this.#cache.call.invalidate(selection))).removed;
  }

  /** Everything leaves; how many there were. @throws what `invalidate` throws */
  async clear(): Promise<number> {
    return (await throughRestarts(this.#cache, () => this.#cache.call.clear())).removed;
  }

  /** Counters of all threads since the cache was opened. */
  stats(): Promise<CacheStats> {
    this.#near?.tellReads();
    return throughRestarts(this.#cache, () => this.#cache.call.stats());
  }

  /** Computations of this thread are cancelled; those who wait learn of it. */
  close(): void {
    this.#closing.abort(fault("ACTOR_STOPPED", { actor: "the system" }));
  }

  /** The computation of this thread that the caller may share, or a new one. */
  #fly(what: Computation): Flying {
    const { key } = what;
    const known = this.#flying.get(key);
    // One that began before a change of the key is for those who came before it, too.
    if (known?.computation.isWanted && this.#near?.stands(known.mark)) return known;
    const mark = this.#mark(key);
    const services = {
      cache: this.#cache,
      clock: this.#clock,
      closing: this.#closing.signal,
      touch: (value: Uint8Array) => this.#touch(value),
    };
    const flying = { computation: new SharedComputation(what, services), mark };
    this.#flying.set(key, flying);
    void flying.computation.run(() => {
      if (this.#flying.get(key) === flying) this.#flying.delete(key);
    });
    return flying;
  }

  /** Before the entry is written that names them: from then on the collection of large values finds them there. */
  async #touch(value: Uint8Array): Promise<void> {
    if (this.#large !== null) await touchValues(addressesIn(value), this.#large);
  }

  #mark(key: string): NearMark {
    const near = this.#near ?? this.#open();
    return near?.mark(key) ?? UNMARKED;
  }

  /** Not before the cache has been up: what it shares with its callers comes with the link. */
  #open(): NearCache | undefined {
    const shared = this.#cache.shared();
    if (shared !== null) this.#near = new NearCache(new Generation(shared));
    return this.#near;
  }

  #taken(key: string, found: CacheLookup & { hit: true }, mark: NearMark): CachedValue | undefined {
    const value = unpacked(found);
    if (value !== undefined) this.#keep(key, found, mark);
    return value;
  }

  #keep(key: string, found: NearValue, mark: NearMark): void {
    this.#near?.keep(key, found, mark, this.#clock.wallNow());
  }
}

/** What is kept near has been decoded before. */
function copied(near: NearCopy): CachedValue {
  const { storedAtMs, expiresAtMs } = near;
  near.decoded ??= valueCopies(near.value);
  return { value: near.decoded(), storedAtMs, expiresAtMs };
}

/** Bytes that were put past the doors may be no value; they are as good as none. */
function unpacked({ value, storedAtMs, expiresAtMs }: NearValue): CachedValue | undefined {
  try {
    return { value: unpackValue(value), storedAtMs, expiresAtMs };
  } catch {
    return undefined;
  }
}
