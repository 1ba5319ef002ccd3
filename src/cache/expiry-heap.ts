/** Carries its own place in one heap. The heap owns `slot`. */
export interface Expiring {
  readonly expiresAtMs: number;
  /** Breaks ties, so that the order is total. */
  readonly id: number;
  slot: number;
}

/**
 * The entries by the time they expire, soonest first. An entry that is overwritten leaves at once, from wherever it
 * stands: with long times to live, leftovers would otherwise outnumber the entries. Adding and removing cost O(log n).
 */
export class ExpiryHeap<T extends Expiring> {
  readonly #items: T[] = [];

  get soonest(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** `item` must be inside. */
  remove(item: T): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    // What fills the hole comes from another branch, so it may belong above or below it.
    const hole = item.slot;
    this.#rise(last, hole);
    if (last.slot === hole) this.#sink(last, hole);
  }

  #rise(item: T, from: number): void {
    let slot = from;
    while (slot > 0) {
      const above = (slot - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !expiresBefore(item, parent)) break;
      this.#place(parent, slot);
      slot = above;
    }
    this.#place(item, slot);
  }

  #sink(item: T, from: number): void {
    let slot = from;
    for (;;) {
      const left = 2 * slot + 1;
      const first = this.#items[left];
      if (first === undefined) break;
      const second = this.#items[left + 1];
      const child = second !== undefined && expiresBefore(second, first) ? second : first;
      if (!expiresBefore(child, item)) break;
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

function expiresBefore(a: Expiring, b: Expiring): boolean {
  return a.expiresAtMs === b.expiresAtMs ? a.id < b.id : a.expiresAtMs < b.expiresAtMs;
}
