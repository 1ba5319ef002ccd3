import { LIMITS, assert } from "../errors/index.ts";
import { IndexedHeap, NOWHERE, type HeapItem } from "../order/index.ts";
import { checkInteger, checkName, invalidArgument } from "../schema/index.ts";
import type { CacheStats } from "./cache.protocol.ts";
import { RecencyList, type Linked } from "./recency-list.ts";

export interface CacheBounds {
  /** An integer from 1. */
  readonly entriesMax: number;
  /** Of the values alone; an integer from 0. */
  readonly sizeBytesMax: number;
}

/** One cached value, without the value itself. Times are wall-clock milliseconds, because entries outlive a process. */
export interface CacheEntry {
  /** Rises with every put; the row's key. */
  readonly id: number;
  readonly key: string;
  readonly sizeBytes: number;
  readonly storedAtMs: number;
  /** Expired from this moment on, itself included. */
  readonly expiresAtMs: number;
}

/** Why an entry left. Removal by its owner and replacement by a newer value are both `removed`. */
export type DropReason = "evicted" | "expired" | "broken" | "removed";

export interface Dropped {
  readonly entry: CacheEntry;
  readonly why: DropReason;
}

/** What one command changed: what the shell has to do to the stored values, and all that `undo` needs. */
export interface CacheChange {
  readonly added: CacheEntry | undefined;
  /** In the order in which they left. */
  readonly dropped: readonly Dropped[];
}

interface Held extends CacheEntry, HeapItem, Linked<Held> {}

/**
 * What is cached, when it expires and what makes room: the index of the cache without its values. Deterministic: it
 * has no clock, and does no input or output.
 *
 * An entry is expired iff now >= expiresAtMs. When there is no room, expired entries go first, soonest expired first;
 * then the least recently used. Finding and putting both count as use.
 */
export class CacheCore {
  readonly #bounds: CacheBounds;
  readonly #byKey = new Map<string, Held>();
  readonly #recency = new RecencyList<Held>();
  readonly #expiry = new IndexedHeap<Held>(expiresBefore);
  readonly #drops: Record<DropReason, number> = { evicted: 0, expired: 0, broken: 0, removed: 0 };
  #nextId = 1;
  #sizeBytes = 0;
  #hits = 0;
  #misses = 0;

  /** @throws INVALID_ARGUMENT when a bound is no integer or too small */
  constructor(bounds: CacheBounds) {
    checkInteger("entriesMax", bounds.entriesMax, 1);
    checkInteger("sizeBytesMax", bounds.sizeBytesMax, 0);
    this.#bounds = bounds;
  }

  /** The live entry under this key, counted as a hit; else undefined, counted as a miss. */
  find(key: string, nowMs: number): CacheEntry | undefined {
    const held = this.#byKey.get(key);
    if (held === undefined || isExpired(held, nowMs)) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    this.#recency.touch(held);
    return held;
  }

  /**
   * Replaces what is under the key and makes room. With `ttlMs` 0 nothing is added: it would never be found.
   *
   * @throws INVALID_ARGUMENT when the key, the time to live or the size is out of range; nothing changes then
   */
  put(key: string, sizeBytes: number, ttlMs: number, nowMs: number): CacheChange {
    checkKey(key);
    this.#checkSize(sizeBytes);
    checkTtl(ttlMs);
    const dropped: Dropped[] = [];
    const replaced = this.#byKey.get(key);
    if (replaced !== undefined)
      dropped.push(this.#drop(replaced, isExpired(replaced, nowMs) ? "expired" : "removed"));
    if (ttlMs === 0) return { added: undefined, dropped };
    this.#makeRoom(1, sizeBytes, nowMs, dropped);
    const added: CacheEntry = {
      id: this.#nextId++,
      key,
      sizeBytes,
      storedAtMs: nowMs,
      expiresAtMs: nowMs + ttlMs,
    };
    this.#recency.addNewest(this.#hold(added));
    return { added, dropped };
  }

  /** An expired entry leaves too, but as expired: it was not there to be removed. */
  remove(key: string, nowMs: number): CacheChange {
    const held = this.#byKey.get(key);
    return this.#changeOf(held === undefined ? [] : [held], nowMs);
  }

  clear(nowMs: number): CacheChange {
    return this.#changeOf([...this.#byKey.values()], nowMs);
  }

  /** The value of an entry that was just found cannot be read: the hit becomes a miss, and the entry leaves. */
  broken(entry: CacheEntry): CacheChange {
    this.#hits -= 1;
    this.#misses += 1;
    const held = this.#byKey.get(entry.key);
    assert(held?.id === entry.id, `the entry ${entry.id} is not in the cache`);
    return { added: undefined, dropped: [this.#drop(held, "broken")] };
  }

  /** Drops expired entries, at most `limit`. */
  expire(nowMs: number, limit: number): CacheChange {
    const dropped: Dropped[] = [];
    for (let held = this.#expiry.peek(); held !== undefined; held = this.#expiry.peek()) {
      if (dropped.length === limit || !isExpired(held, nowMs)) break;
      dropped.push(this.#drop(held, "expired"));
    }
    return { added: undefined, dropped };
  }

  /** When the next entry expires; Infinity when there is none. */
  get nextExpiryMs(): number {
    return this.#expiry.peek()?.expiresAtMs ?? Infinity;
  }

  /**
   * Takes in an entry that an earlier process stored, as the most recently used. To be called in the order of ids,
   * and followed by `trim`: the bounds may have been larger then. False, and nothing changes, when its key is taken.
   */
  load(entry: CacheEntry): boolean {
    if (this.#byKey.has(entry.key)) return false;
    this.#recency.addNewest(this.#hold(entry));
    this.#nextId = entry.id + 1;
    return true;
  }

  /** Drops what is beyond the bounds. */
  trim(nowMs: number): CacheChange {
    const dropped: Dropped[] = [];
    this.#makeRoom(0, 0, nowMs, dropped);
    return { added: undefined, dropped };
  }

  /**
   * Takes a change back whose commit failed; several are taken back in reverse order. Entries that return are the
   * least recently used, whatever they were before: their use is forgotten, not their value. Hits and misses stand.
   */
  undo(change: CacheChange): void {
    if (change.added !== undefined) {
      const held = this.#byKey.get(change.added.key);
      assert(held?.id === change.added.id, `the entry ${change.added.id} is not in the cache`);
      this.#take(held);
    }
    for (const { entry, why } of change.dropped.toReversed()) {
      this.#drops[why] -= 1;
      this.#recency.addOldest(this.#hold(entry));
    }
  }

  get counts(): Omit<CacheStats, "durability"> {
    const { evicted: evictions, expired, broken } = this.#drops;
    return {
      entries: this.#byKey.size,
      sizeBytes: this.#sizeBytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions,
      expired,
      broken,
    };
  }

  #makeRoom(entries: number, sizeBytes: number, nowMs: number, dropped: Dropped[]): void {
    const { entriesMax, sizeBytesMax } = this.#bounds;
    while (this.#byKey.size + entries > entriesMax || this.#sizeBytes + sizeBytes > sizeBytesMax) {
      const soonest = this.#expiry.peek();
      if (soonest !== undefined && isExpired(soonest, nowMs)) {
        dropped.push(this.#drop(soonest, "expired"));
        continue;
      }
      const oldest = this.#recency.oldest;
      assert(oldest !== undefined, "an empty cache has room for whatever was accepted");
      dropped.push(this.#drop(oldest, "evicted"));
    }
  }

  #changeOf(leaving: readonly Held[], nowMs: number): CacheChange {
    const dropped = leaving.map((held) => this.#drop(held, isExpired(held, nowMs) ? "expired" : "removed"));
    return { added: undefined, dropped };
  }

  #drop(held: Held, why: DropReason): Dropped {
    this.#take(held);
    this.#drops[why] += 1;
    return { entry: held, why };
  }

  #take(held: Held): void {
    this.#byKey.delete(held.key);
    this.#recency.remove(held);
    this.#expiry.remove(held);
    this.#sizeBytes -= held.sizeBytes;
  }

  /** Into the index and the heap; its place in the recency list is the caller's. */
  #hold({ id, key, sizeBytes, storedAtMs, expiresAtMs }: CacheEntry): Held {
    const held: Held = {
      id,
      key,
      sizeBytes,
      storedAtMs,
      expiresAtMs,
      slot: NOWHERE,
      newer: undefined,
      older: undefined,
    };
    this.#byKey.set(key, held);
    this.#expiry.insert(held);
    this.#sizeBytes += sizeBytes;
    return held;
  }

  #checkSize(sizeBytes: number): void {
    const { sizeBytesMax } = this.#bounds;
    // Refused, because no eviction makes room for it: trying would only empty the cache.
    if (sizeBytes > sizeBytesMax) {
      throw invalidArgument(
        "value",
        `${sizeBytes} bytes`,
        `at most ${sizeBytesMax} bytes, the size of the whole cache`,
      );
    }
  }
}

function isExpired(entry: CacheEntry, nowMs: number): boolean {
  return nowMs >= entry.expiresAtMs;
}

/** Ids break ties, so that the order is total. */
function expiresBefore(a: CacheEntry, b: CacheEntry): boolean {
  return a.expiresAtMs === b.expiresAtMs ? a.id < b.id : a.expiresAtMs < b.expiresAtMs;
}

/** @throws INVALID_ARGUMENT unless it has 1 to 512 characters */
export function checkKey(key: string): void {
  checkName("key", key, LIMITS.cache.keyChars);
}

function checkTtl(ttlMs: number): void {
  // Written so that NaN is outside.
  if (!(ttlMs >= 0 && ttlMs <= LIMITS.cache.ttlMs)) {
    throw invalidArgument("ttlMs", String(ttlMs), `0 to ${LIMITS.cache.ttlMs} milliseconds (ten years)`);
  }
}
