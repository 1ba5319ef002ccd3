import { LIMITS, assert } from "../errors/index.ts";
import { IndexedHeap, NOWHERE, type HeapItem } from "../order/index.ts";
import { checkInteger, checkName, checkNumber, invalidArgument } from "../schema/index.ts";
import { EVICTION_POLICIES, evictionBy, type Eviction, type EvictionPolicy } from "./eviction.ts";
import type { Linked } from "./recency-list.ts";

export interface CacheBounds {
  /** An integer from 1. */
  readonly entriesMax: number;
  /** Of the values alone; an integer from 0. */
  readonly sizeBytesMax: number;
  readonly policy: EvictionPolicy;
}

/** What may be said of an entry beside its time to live. */
export interface EntryOptions {
  /** By which it may be invalidated together with others; none is empty, or has a line break. */
  readonly tags: readonly string[];
  /** How long after its time is over it may still be shown to those who have it computed anew; 0 = not at all. */
  readonly staleMs: number;
  /** It stands for a failure: only those who ask for failures find it. */
  readonly negative: boolean;
}

/** One cached value, without the value itself. Times are wall-clock milliseconds, because entries outlive a process. */
export interface CacheEntry extends Omit<EntryOptions, "staleMs"> {
  /** Rises with every put; the row's key. */
  readonly id: number;
  readonly key: string;
  readonly sizeBytes: number;
  readonly storedAtMs: number;
  /** Expired from this moment on, itself included. */
  readonly expiresAtMs: number;
  /** Nobody finds it from this moment on, not even as a stale one. */
  readonly leavesAtMs: number;
}

/**
 * Why an entry left: `crowded` out by the bound of entries, `outweighed` by that of bytes, `replaced` by a newer value
 * under its key, `invalidated` by its owner.
 */
export type DropReason = "crowded" | "outweighed" | "expired" | "broken" | "replaced" | "invalidated";

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

/** What else than a fresh value counts as found. */
export interface Accepted {
  readonly stale: boolean;
  readonly negative: boolean;
}

export interface CacheCounts extends Readonly<Record<DropReason, number>> {
  readonly entries: number;
  readonly sizeBytes: number;
  readonly hits: number;
  /** Of the hits, those that found a value whose time was over. */
  readonly staleHits: number;
  /** Of the hits, those that found a failure. */
  readonly negativeHits: number;
  readonly misses: number;
}

interface Held extends CacheEntry, HeapItem, Linked<Held> {}

const PLAIN: EntryOptions = Object.freeze({ tags: [], staleMs: 0, negative: false });
const FRESH_VALUES: Accepted = Object.freeze({ stale: false, negative: false });

/**
 * What is cached, when it expires and what makes room: the index of the cache without its values. Deterministic: it
 * has no clock, and does no input or output.
 *
 * An entry is expired iff now >= expiresAtMs. When there is no room, expired entries go first, soonest first; then
 * whom the policy names. Putting counts as a use, finding too.
 */
export class CacheCore {
  readonly #bounds: CacheBounds;
  readonly #byKey = new Map<string, Held>();
  readonly #byTag = new Map<string, Set<Held>>();
  readonly #eviction: Eviction<Held>;
  readonly #expiry = new IndexedHeap<Held>(leavesBefore);
  readonly #drops: Record<DropReason, number> = {
    crowded: 0,
    outweighed: 0,
    expired: 0,
    broken: 0,
    replaced: 0,
    invalidated: 0,
  };
  readonly #found = { hits: 0, staleHits: 0, negativeHits: 0, misses: 0 };
  #nextId = 1;
  #sizeBytes = 0;

  /** @throws INVALID_ARGUMENT when a bound is no integer or too small, or the policy unknown */
  constructor(bounds: CacheBounds) {
    checkInteger("entriesMax", bounds.entriesMax, 1);
    checkInteger("sizeBytesMax", bounds.sizeBytesMax, 0);
    if (!EVICTION_POLICIES.includes(bounds.policy))
      throw invalidArgument("policy", `"${bounds.policy}"`, EVICTION_POLICIES.join(", "));
    this.#bounds = bounds;
    this.#eviction = evictionBy(bounds.policy);
  }

  /** The entry under this key, counted as a hit; undefined, counted as a miss, when there is none of those accepted. */
  find(key: string, nowMs: number, accepted: Accepted = FRESH_VALUES): CacheEntry | undefined {
    const held = this.#byKey.get(key);
    if (held === undefined || !isAccepted(held, nowMs, accepted)) {
      this.#found.misses += 1;
      return undefined;
    }
    this.#countHit(held, nowMs, 1);
    this.#eviction.use(held);
    return held;
  }

  /**
   * Replaces what is under the key and makes room. With `ttlMs` 0 nothing is added: it would never be found.
   *
   * @throws INVALID_ARGUMENT when the key, a time, a tag or the size is out of range; nothing changes then
   */
  put(key: string, sizeBytes: number, ttlMs: number, nowMs: number, options = PLAIN): CacheChange {
    checkEntry(key, ttlMs, options);
    this.#checkSize(sizeBytes);
    const dropped: Dropped[] = [];
    const replaced = this.#byKey.get(key);
    if (replaced !== undefined) dropped.push(this.#drop(replaced, nowMs, "replaced"));
    if (ttlMs === 0) return { added: undefined, dropped };
    this.#makeRoom(1, sizeBytes, nowMs, dropped);
    const expiresAtMs = nowMs + ttlMs;
    const added: CacheEntry = {
      id: this.#nextId++,
      key,
      sizeBytes,
      storedAtMs: nowMs,
      expiresAtMs,
      leavesAtMs: expiresAtMs + options.staleMs,
      tags: options.tags,
      negative: options.negative,
    };
    this.#eviction.add(this.#hold(added));
    return { added, dropped };
  }

  /** Those under the keys leave; one whose time was over leaves as expired: it was not there to be invalidated. */
  remove(keys: Iterable<string>, nowMs: number): CacheChange {
    const leaving = new Set<Held>();
    for (const key of keys) {
      const held = this.#byKey.get(key);
      if (held !== undefined) leaving.add(held);
    }
    const dropped = [...leaving].map((held) => this.#drop(held, nowMs, "invalidated"));
    return { added: undefined, dropped };
  }

  /** Is there a value, be it a stale one? Not counted, and no use. */
  has(key: string, nowMs: number): boolean {
    const held = this.#byKey.get(key);
    return held !== undefined && isAccepted(held, nowMs, { stale: true, negative: false });
  }

  /** Keys of all entries, in no useful order. */
  keys(): string[] {
    return [...this.#byKey.keys()];
  }

  /** Keys of the entries that have one of the tags at least. */
  keysTagged(tags: readonly string[]): string[] {
    return tags.flatMap((tag) => [...(this.#byTag.get(tag) ?? [])].map(({ key }) => key));
  }

  clear(nowMs: number): CacheChange {
    return this.remove(this.keys(), nowMs);
  }

  /** The value of an entry that was just found cannot be read: the hit becomes a miss, and the entry leaves. */
  broken(entry: CacheEntry, nowMs: number): CacheChange {
    this.#countHit(entry, nowMs, -1);
    this.#found.misses += 1;
    const held = this.#byKey.get(entry.key);
    assert(held?.id === entry.id, `the entry ${entry.id} is not in the cache`);
    return { added: undefined, dropped: [this.#dropAs(held, "broken")] };
  }

  /** Drops what nobody finds any more, at most `limit`. */
  expire(nowMs: number, limit: number): CacheChange {
    const dropped: Dropped[] = [];
    for (let held = this.#expiry.peek(); held !== undefined; held = this.#expiry.peek()) {
      if (dropped.length === limit || nowMs < held.leavesAtMs) break;
      dropped.push(this.#dropAs(held, "expired"));
    }
    return { added: undefined, dropped };
  }

  /** When the next entry leaves by its time; Infinity when there is none. */
  get nextExpiryMs(): number {
    return this.#expiry.peek()?.leavesAtMs ?? Infinity;
  }

  /**
   * Takes in an entry that an earlier process stored, as the most recently used. To be called in the order of ids,
   * and followed by `trim`: the bounds may have been larger then. False, and nothing changes, when its key is taken.
   */
  load(entry: CacheEntry): boolean {
    if (this.#byKey.has(entry.key)) return false;
    this.#eviction.add(this.#hold(entry));
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
   * first to make room, whatever they were before, unless expiry alone decides: their use is forgotten, not their
   * value. Hits and misses stand.
   */
  undo(change: CacheChange): void {
    if (change.added !== undefined) {
      const held = this.#byKey.get(change.added.key);
      assert(held?.id === change.added.id, `the entry ${change.added.id} is not in the cache`);
      this.#take(held);
    }
    for (const { entry, why } of change.dropped.toReversed()) {
      this.#drops[why] -= 1;
      this.#eviction.addBack(this.#hold(entry));
    }
  }

  get counts(): CacheCounts {
    return { entries: this.#byKey.size, sizeBytes: this.#sizeBytes, ...this.#found, ...this.#drops };
  }

  #makeRoom(entries: number, sizeBytes: number, nowMs: number, dropped: Dropped[]): void {
    const { entriesMax, sizeBytesMax } = this.#bounds;
    for (;;) {
      const isCrowded = this.#byKey.size + entries > entriesMax;
      if (!isCrowded && this.#sizeBytes + sizeBytes <= sizeBytesMax) return;
      const soonest = this.#expiry.peek();
      if (soonest !== undefined && nowMs >= soonest.leavesAtMs) {
        dropped.push(this.#dropAs(soonest, "expired"));
        continue;
      }
      const victim = this.#eviction.choose();
      assert(victim !== undefined, "an empty cache has room for whatever was accepted");
      dropped.push(this.#dropAs(victim, isCrowded ? "crowded" : "outweighed"));
    }
  }

  #countHit(entry: CacheEntry, nowMs: number, by: 1 | -1): void {
    this.#found.hits += by;
    if (isExpired(entry, nowMs)) this.#found.staleHits += by;
    if (entry.negative) this.#found.negativeHits += by;
  }

  #drop(held: Held, nowMs: number, why: DropReason): Dropped {
    return this.#dropAs(held, isExpired(held, nowMs) ? "expired" : why);
  }

  #dropAs(held: Held, why: DropReason): Dropped {
    this.#take(held);
    this.#drops[why] += 1;
    return { entry: held, why };
  }

  #take(held: Held): void {
    this.#byKey.delete(held.key);
    for (const tag of held.tags) {
      const tagged = this.#byTag.get(tag);
      tagged?.delete(held);
      if (tagged?.size === 0) this.#byTag.delete(tag);
    }
    this.#eviction.remove(held);
    this.#expiry.remove(held);
    this.#sizeBytes -= held.sizeBytes;
  }

  /** Into the indexes and the heap; its place among those that make room is the caller's. */
  #hold(entry: CacheEntry): Held {
    const { id, key, sizeBytes, storedAtMs, expiresAtMs, leavesAtMs, tags, negative } = entry;
    const held: Held = {
      id,
      key,
      sizeBytes,
      storedAtMs,
      expiresAtMs,
      leavesAtMs,
      tags,
      negative,
      slot: NOWHERE,
      newer: undefined,
      older: undefined,
    };
    this.#byKey.set(key, held);
    for (const tag of tags) {
      const tagged = this.#byTag.get(tag);
      if (tagged) tagged.add(held);
      else this.#byTag.set(tag, new Set([held]));
    }
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

export function isExpired(entry: Pick<CacheEntry, "expiresAtMs">, nowMs: number): boolean {
  return nowMs >= entry.expiresAtMs;
}

function isAccepted(entry: CacheEntry, nowMs: number, { stale, negative }: Accepted): boolean {
  if (entry.negative && !negative) return false;
  return nowMs < (stale ? entry.leavesAtMs : entry.expiresAtMs);
}

/** Ids break ties, so that the order is total. */
function leavesBefore(a: CacheEntry, b: CacheEntry): boolean {
  return a.leavesAtMs === b.leavesAtMs ? a.id < b.id : a.leavesAtMs < b.leavesAtMs;
}

/** @throws INVALID_ARGUMENT unless it has 1 to 512 characters */
export function checkKey(key: string): void {
  checkName("key", key, LIMITS.cache.keyChars);
}

/** @throws INVALID_ARGUMENT unless key, times and tags are in their ranges */
export function checkEntry(key: string, ttlMs: number, { tags, staleMs }: EntryOptions): void {
  checkKey(key);
  checkNumber("ttlMs", ttlMs, 0, LIMITS.cache.ttlMs);
  checkNumber("staleMs", staleMs, 0, LIMITS.cache.ttlMs);
  checkTags(tags);
}

/** @throws INVALID_ARGUMENT unless there are 32 at most, each with 1 to 256 characters on one line */
export function checkTags(tags: readonly string[]): void {
  checkInteger("the number of tags", tags.length, 0, LIMITS.cache.tags);
  for (const tag of tags) {
    checkName("tags", tag, LIMITS.cache.tagChars);
    // The file keeps them one per line.
    if (tag.includes("\n")) throw invalidArgument("tags", JSON.stringify(tag), "tags without a line break");
  }
}
