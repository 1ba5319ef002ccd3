import { LIMITS, assert } from "../errors/index.ts";
import type { Generation } from "./generation.ts";
import { RecencyList, type Linked } from "./recency-list.ts";

/** What the cache answered. */
export interface NearValue {
  readonly value: Uint8Array;
  readonly storedAtMs: number;
  readonly expiresAtMs: number;
}

/** One thread's own copy of a value. */
export interface NearCopy extends NearValue {
  /** Makes a value of the bytes; for whoever reads it to keep here, so that the bytes are decoded once. */
  decoded: (() => unknown) | undefined;
}

interface Near extends NearCopy, Linked<Near> {
  readonly key: string;
  readonly stripe: number;
  readonly stamp: number;
  /** It is trusted from when it was read, and until its time or that of copies is over. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Read since the hand came by last. */
  isRead: boolean;
}

/** What was true before the cache was asked. */
export interface NearMark {
  readonly stripe: number;
  readonly stamp: number;
}

/** Reads after which the shared count of them is brought up to date. */
const READS_TOLD = 1_024;

/**
 * The values that one thread read last, so that a hot one costs no message. A copy is used only while the generation
 * that it was read in stands, its time is not over, and the wall clock was not set back: what has been put or
 * invalidated, and acknowledged, is seen by every later read.
 *
 * Room is made by SIEVE, where a read only sets a flag: moving each that is read to the end of a list takes longer than
 * all the rest of a read.
 *
 * After ten seconds a copy is read anew, by which the cache learns that it is in use.
 *
 * @see Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is simpler than LRU" (NSDI 2024)
 */
export class NearCache {
  readonly #generation: Generation;
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #byKey = new Map<string, Near>();
  /** In the order in which they were kept. */
  readonly #kept = new RecencyList<Near>();
  /** Where the search for room goes on; undefined: at the oldest. */
  #hand: Near | undefined;
  #bytes = 0;
  #reads = 0;

  constructor(
    generation: Generation,
    { entriesMax = LIMITS.cache.nearEntries, bytesMax = LIMITS.cache.nearBytes } = {},
  ) {
    this.#generation = generation;
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
  }

  find(key: string, nowMs: number): NearCopy | undefined {
    const near = this.#byKey.get(key);
    if (near === undefined) return undefined;
    if (!this.stands(near) || nowMs >= near.untilMs || nowMs < near.sinceMs) {
      this.#forget(near);
      return undefined;
    }
    near.isRead = true;
    if (++this.#reads === READS_TOLD) this.tellReads();
    return near;
  }

  /** To be taken before the cache is asked for the key: a change while its answer is under way is then not missed. */
  mark(key: string): NearMark {
    const stripe = this.#generation.stripeOf(key);
    return { stripe, stamp: this.#generation.stampOf(stripe) };
  }

  /** Has nothing changed since? */
  stands({ stripe, stamp }: NearMark): boolean {
    return this.#generation.stampOf(stripe) === stamp;
  }

  /** A fresh value that the cache has answered. One larger than the whole room is not kept. */
  keep(key: string, found: NearValue, { stripe, stamp }: NearMark, nowMs: number): void {
    const known = this.#byKey.get(key);
    if (known !== undefined) this.#forget(known);
    const { value, storedAtMs, expiresAtMs } = found;
    if (value.byteLength > this.#bytesMax) return;
    while (this.#byKey.size >= this.#entriesMax || this.#bytes + value.byteLength > this.#bytesMax) {
      this.#makeRoom();
    }
    const untilMs = Math.min(expiresAtMs, nowMs + LIMITS.cache.nearMs);
    const times = { storedAtMs, expiresAtMs, sinceMs: nowMs, untilMs };
    const near: Near = {
      key,
      value,
      ...times,
      stripe,
      stamp,
      isRead: false,
      decoded: undefined,
      newer: undefined,
      older: undefined,
    };
    this.#byKey.set(key, near);
    this.#kept.addNewest(near);
    this.#bytes += value.byteLength;
  }

  /** Adds the reads since the last time to those of all threads. */
  tellReads(): void {
    if (this.#reads > 0) this.#generation.addReads(this.#reads);
    this.#reads = 0;
  }

  /** The first one that was not read since the hand came by leaves; the others have lost their flag then. */
  #makeRoom(): void {
    let near = this.#hand ?? this.#kept.oldest;
    while (near?.isRead) {
      near.isRead = false;
      near = near.newer ?? this.#kept.oldest;
    }
    assert(near !== undefined, "an empty cache has room for whatever is not too large");
    this.#hand = near;
    this.#forget(near);
  }

  #forget(near: Near): void {
    if (near === this.#hand) this.#hand = near.newer;
    this.#byKey.delete(near.key);
    this.#kept.remove(near);
    this.#bytes -= near.value.byteLength;
  }
}
