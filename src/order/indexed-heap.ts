/** What a heap orders. An item is in at most one heap, which owns `slot`: the item's index in it, or `NOWHERE`. */
export interface HeapItem {
  slot: number;
}

/** The `slot` of an item that is in no heap. */
export const NOWHERE = -1;

/**
 * What comes first: a binary heap whose items know their own place, so that one in the middle leaves at once and
 * without a search. Where things are replaced more often than they are popped, leftovers never outnumber them.
 *
 * `before` must be a strict total order that does not change while an item is inside: then the order in which items
 * are popped is fully determined by what was inserted, whatever the history. Insert, remove and pop cost O(log n).
 */
export class IndexedHeap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  insert(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** False when the item is not inside. */
  remove(item: T): boolean {
    if (this.#items[item.slot] !== item) return false;
    const hole = item.slot;
    const last = this.#items.pop();
    item.slot = NOWHERE;
    if (last === undefined || last === item) return true;
    // The item that fills the hole comes from another branch, so it may belong above or below it.
    const settled = this.#rise(last, hole);
    if (settled === hole) this.#sink(last, hole);
    return true;
  }

  /** The first one, which stays. */
  peek(): T | undefined {
    return this.#items[0];
  }

  pop(): T | undefined {
    const first = this.peek();
    if (first !== undefined) this.remove(first);
    return first;
  }

  /**
   * How many items are before this one, which need not be inside, counted up to `most`. Looks at those and their
   * neighbours only, so that a place near the front is told at once however long the line is.
   */
  countBefore(item: T, most: number): number {
    let count = 0;
    const open = [0];
    for (let slot = open.pop(); slot !== undefined && count < most; slot = open.pop()) {
      const other = this.#items[slot];
      if (other === undefined || !this.#before(other, item)) continue;
      count += 1;
      open.push(2 * slot + 1, 2 * slot + 2);
    }
    return count;
  }

  /** All items, in no useful order. */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  #rise(item: T, from: number): number {
    let slot = from;
    while (slot > 0) {
      const above = (slot - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#place(parent, slot);
      slot = above;
    }
    this.#place(item, slot);
    return slot;
  }

  #sink(item: T, from: number): void {
    let slot = from;
    for (;;) {
      const left = 2 * slot + 1;
      const first = this.#items[left];
      if (first === undefined) break;
      const second = this.#items[left + 1];
      const child = second !== undefined && this.#before(second, first) ? second : first;
      if (!this.#before(child, item)) break;
      const below = child.slot;
      this.#place(child, slot);
      slot = below;
    }
    this.#place(item, slot);
  }

  #place(item: T, slot: number): void {
    this.#items[slot] = item;
    item.slot = slot;
  }
}
