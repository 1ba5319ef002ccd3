import { assert } from "../errors/index.ts";
import { IndexedHeap, NOWHERE, type HeapItem } from "../order/index.ts";
import { RecencyList, type Linked } from "./recency-list.ts";

/** Who makes room when no entry has expired. */
export type EvictionPolicy = "lru" | "lfu" | "fifo" | "ttl";
export const EVICTION_POLICIES = ["lru", "lfu", "fifo", "ttl"] as const satisfies readonly EvictionPolicy[];

/** What a policy orders. */
export interface Evictable<T> extends Linked<T> {
  readonly id: number;
  readonly expiresAtMs: number;
}

/** The order in which live entries make room. */
export interface Eviction<T> {
  /** Who makes room now, and is removed next; undefined when it is empty. */
  choose(): T | undefined;
  /** `item` must not be inside. */
  add(item: T): void;
  /** An item that returns, because its leaving was undone: it leaves before all others, whatever it was before. */
  addBack(item: T): void;
  /** It was found. */
  use(item: T): void;
  remove(item: T): void;
}

export function evictionBy<T extends Evictable<T>>(policy: EvictionPolicy): Eviction<T> {
  const make: Readonly<Record<EvictionPolicy, () => Eviction<T>>> = {
    lru: () => new Listed<T>(true),
    lfu: () => new LeastFrequent<T>(),
    fifo: () => new Listed<T>(false),
    ttl: () => new SoonestExpiry<T>(),
  };
  return make[policy]();
}

/** By last use, or by age when use does not count. All operations take constant time. */
class Listed<T extends Evictable<T>> implements Eviction<T> {
  readonly #list = new RecencyList<T>();
  readonly #countsUse: boolean;

  constructor(countsUse: boolean) {
    this.#countsUse = countsUse;
  }

  choose(): T | undefined {
    return this.#list.oldest;
  }

  add(item: T): void {
    this.#list.addNewest(item);
  }

  addBack(item: T): void {
    this.#list.addOldest(item);
  }

  use(item: T): void {
    if (this.#countsUse) this.#list.touch(item);
  }

  remove(item: T): void {
    this.#list.remove(item);
  }
}

interface Ranked<T> extends HeapItem {
  readonly item: T;
  rank: number;
  /** Of the last use: among equal ranks the one that was not used for the longest time leaves first. */
  usedAt: number;
}

/**
 * By how often they were used, with ageing: an entry begins just above the rank of the one that made room last, so that what was
 * popular long ago does not stay for ever. O(log n).
 *
 * @see Arlitt, Cherkasova, Dilley, Friedrich, Jin: "Evaluating content management techniques for web proxy caches"
 *   (1999), LFU with dynamic aging
 */
class LeastFrequent<T> implements Eviction<T> {
  readonly #heap = new IndexedHeap<Ranked<T>>((a, b) =>
    a.rank === b.rank ? a.usedAt < b.usedAt : a.rank < b.rank,
  );
  readonly #places = new Map<T, Ranked<T>>();
  /** The rank of the one that made room last; no one inside has less. */
  #age = 0;
  #uses = 0;
  #returns = 0;

  choose(): T | undefined {
    const first = this.#heap.peek();
    if (first !== undefined) this.#age = first.rank;
    return first?.item;
  }

  add(item: T): void {
    this.#insert({ item, rank: this.#age + 1, usedAt: ++this.#uses, slot: NOWHERE });
  }

  addBack(item: T): void {
    this.#insert({ item, rank: this.#age, usedAt: --this.#returns, slot: NOWHERE });
  }

  use(item: T): void {
    const place = this.#placeOf(item);
    this.#heap.remove(place);
    place.rank += 1;
    place.usedAt = ++this.#uses;
    this.#heap.insert(place);
  }

  remove(item: T): void {
    this.#heap.remove(this.#placeOf(item));
    this.#places.delete(item);
  }

  #insert(place: Ranked<T>): void {
    this.#places.set(place.item, place);
    this.#heap.insert(place);
  }

  #placeOf(item: T): Ranked<T> {
    const place = this.#places.get(item);
    assert(place !== undefined, "what is used or leaves is inside");
    return place;
  }
}

/** The soonest to expire. O(log n). */
class SoonestExpiry<T extends Evictable<T>> implements Eviction<T> {
  readonly #heap = new IndexedHeap<HeapItem & { readonly item: T }>(({ item: a }, { item: b }) =>
    a.expiresAtMs === b.expiresAtMs ? a.id < b.id : a.expiresAtMs < b.expiresAtMs,
  );
  readonly #places = new Map<T, HeapItem & { readonly item: T }>();

  choose(): T | undefined {
    return this.#heap.peek()?.item;
  }

  add(item: T): void {
    const place = { item, slot: NOWHERE };
    this.#places.set(item, place);
    this.#heap.insert(place);
  }

  addBack(item: T): void {
    this.add(item);
  }

  use(): void {
    // Use makes nothing live longer.
  }

  remove(item: T): void {
    const place = this.#places.get(item);
    assert(place !== undefined, "what leaves is inside");
    this.#heap.remove(place);
    this.#places.delete(item);
  }
}
