import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IndexedHeap, NOWHERE, type HeapItem } from "../../src/order/index.ts";
import { testSeed } from "../kit/seeded-random.ts";

interface Item extends HeapItem {
  readonly priority: number;
  readonly sequence: number;
}

const before = (a: Item, b: Item): boolean =>
  a.priority === b.priority ? a.sequence < b.sequence : a.priority > b.priority;
const bySort = (a: Item, b: Item): number => (before(a, b) ? -1 : 1);

const item = (priority: number, sequence: number): Item => ({ priority, sequence, slot: NOWHERE });

function drain(heap: IndexedHeap<Item>): Item[] {
  const order: Item[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) order.push(next);
  return order;
}

describe("an indexed heap", () => {
  it("has on top and pops what a sort puts first, whatever was inserted and removed in between", () => {
    const priority = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer());
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("insert"), at: priority }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove"), at: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("pop"), at: fc.constant(0) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const heap = new IndexedHeap<Item>(before);
        let inside: Item[] = [];
        for (const [sequence, { kind, at }] of steps.entries()) {
          if (kind === "insert") {
            const added = item(at, sequence);
            inside = [...inside, added].sort(bySort);
            heap.insert(added);
          } else if (kind === "remove") {
            const gone = inside[at % Math.max(1, inside.length)];
            if (gone === undefined) continue;
            expect(heap.remove(gone)).toBe(true);
            inside = inside.filter((each) => each !== gone);
          } else {
            expect(heap.pop()).toBe(inside.shift());
          }
          expect(heap.peek()).toBe(inside[0]);
          expect(heap.size).toBe(inside.length);
          expect(new Set(heap.values())).toEqual(new Set(inside));
        }
        // Emptied through the top, so that an order broken deep inside shows itself.
        expect(drain(heap)).toEqual(inside);
      }),
      { numRuns: 200 },
    );
  });

  it("counts what is before an item, inside or not, as a naive count does, up to as many as asked for", () => {
    const seed = testSeed();
    const priorities = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 100, size: "max" });
    fc.assert(
      fc.property(
        priorities,
        fc.nat(10),
        fc.integer({ min: -6, max: 6 }),
        fc.nat(120),
        (all, gone, at, most) => {
          const heap = new IndexedHeap<Item>(before);
          const items = all.map((priority, sequence) => item(priority, sequence * 2));
          for (const each of items) heap.insert(each);
          for (let pops = 0; pops < gone; pops++) heap.pop();
          const inside = [...heap.values()];
          for (const each of [item(at, 51), ...items.slice(0, 9)]) {
            const count = inside.filter((other) => before(other, each)).length;
            expect(heap.countBefore(each, most)).toBe(Math.min(count, most));
            expect(heap.countBefore(each, Infinity)).toBe(count);
          }
          expect(heap.size).toBe(inside.length);
        },
      ),
      { seed, numRuns: 200 },
    );
  });

  it("counts a place near the front by looking at little of a long line", () => {
    let looks = 0;
    const heap = new IndexedHeap<Item>((a, b) => ((looks += 1), before(a, b)));
    for (let sequence = 0; sequence < 10_000; sequence++) heap.insert(item(0, sequence));
    looks = 0;
    expect(heap.countBefore(item(0, 10), Infinity)).toBe(10);
    expect(looks).toBeLessThan(25);
    looks = 0;
    expect(heap.countBefore(item(-1, 0), 100)).toBe(100);
    expect(looks).toBeLessThan(205);
  });

  it("gives items of one priority in the order of their sequence", () => {
    const heap = new IndexedHeap<Item>(before);
    for (const sequence of [3, 1, 4, 0, 2]) heap.insert(item(1, sequence));
    expect(drain(heap).map((each) => each.sequence)).toEqual([0, 1, 2, 3, 4]);
  });

  it("refuses to remove what is not inside, and an item of another heap", () => {
    const heap = new IndexedHeap<Item>(before);
    const other = new IndexedHeap<Item>(before);
    const ours = item(1, 0);
    const theirs = item(1, 0);
    heap.insert(ours);
    other.insert(theirs);
    expect(heap.remove(theirs)).toBe(false);
    expect(heap.remove(item(5, 5))).toBe(false);
    expect(heap.remove(ours)).toBe(true);
    expect(heap.remove(ours)).toBe(false);
    expect(heap.pop()).toBeUndefined();
    expect(ours.slot).toBe(NOWHERE);
  });
});
