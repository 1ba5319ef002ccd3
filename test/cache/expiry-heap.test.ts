import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ExpiryHeap, type Expiring } from "../../src/cache/expiry-heap.ts";

const sooner = (a: Expiring, b: Expiring): number => a.expiresAtMs - b.expiresAtMs || a.id - b.id;

it("the soonest to expire is always on top, whatever was added and removed in between", () => {
  const step = fc.record({ add: fc.constantFrom(true, true, true, false), at: fc.nat({ max: 60 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const heap = new ExpiryHeap<Expiring>();
      let inside: Expiring[] = [];
      for (const [id, { add, at }] of steps.entries()) {
        const gone = inside[at % Math.max(1, inside.length)];
        if (add || gone === undefined) {
          const added = { id, expiresAtMs: at, slot: 0 };
          heap.add(added);
          inside.push(added);
        } else {
          heap.remove(gone);
          inside = inside.filter((each) => each !== gone);
        }
        expect(heap.soonest).toBe(inside.toSorted(sooner)[0]);
      }
      // Emptied through the top, so that an order broken deep inside shows itself.
      for (const item of inside.toSorted(sooner)) {
        expect(heap.soonest).toBe(item);
        heap.remove(item);
      }
    }),
  );
});
