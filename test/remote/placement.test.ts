import * as fc from "fast-check";
import { expect, it } from "vitest";
import { costOf, placed, type Candidate } from "../../src/remote/placement.ts";

const candidate = (peerId: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ peerId, actions: ["work"], room: 2, latencyMs: 10, reliability: 1 },
  ...more,
});

it("the best peer that has room asks, and a worse one does not", () => {
  expect(placed([candidate("far", { latencyMs: 90 }), candidate("near")])).toEqual([
    { peerId: "near", actions: ["work"], max: 2 },
  ]);
});

it("a worse peer asks for what no better one takes", () => {
  const far = candidate("far", { latencyMs: 90, actions: ["work", "paint"], room: 5 });
  expect(placed([far, candidate("near")])).toEqual([
    { peerId: "near", actions: ["work"], max: 2 },
    { peerId: "far", actions: ["paint"], max: 5 },
  ]);
});

it("a peer that has no room asks for nothing, and keeps nobody from asking", () => {
  expect(placed([candidate("near", { room: 0 }), candidate("far", { latencyMs: 90 })])).toMatchObject([
    { peerId: "far" },
  ]);
});

it("a near peer that often fails is worse than a far one that does not", () => {
  const flaky = candidate("near", { reliability: 0.5 });
  expect(costOf(flaky)).toBeGreaterThan(costOf(candidate("far", { latencyMs: 300 })));
});

it("a peer of which nothing was measured is neither the best nor the worst", () => {
  const unknown = candidate("x", { latencyMs: null, reliability: null });
  expect(costOf(unknown)).toBeGreaterThan(costOf(candidate("good")));
  expect(costOf(unknown)).toBeLessThan(costOf(candidate("bad", { reliability: 0.2 })));
});

it("each action is asked for by the best that has room for it, once, whatever the order in which they are known", () => {
  const peers = fc.uniqueArray(
    fc.record({
      peerId: fc.string({ minLength: 1, maxLength: 3 }),
      actions: fc.uniqueArray(fc.constantFrom<string>("a", "b", "c", "d")),
      room: fc.integer({ min: 0, max: 3 }),
      latencyMs: fc.option(fc.integer({ min: 0, max: 500 })),
      reliability: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    }),
    { selector: ({ peerId }) => peerId },
  );
  fc.assert(
    fc.property(peers, (list) => {
      const wanted = placed(list);
      expect(placed(list.toReversed())).toEqual(wanted);
      const asked = wanted.flatMap(({ actions }) => actions);
      expect(new Set(asked).size).toBe(asked.length);
      const free = list.filter(({ room }) => room > 0);
      expect(new Set(asked)).toEqual(new Set(free.flatMap(({ actions }) => actions)));
      for (const { peerId, actions, max } of wanted) {
        const its = list.find((each) => each.peerId === peerId);
        expect(max).toBe(its?.room);
        for (const action of actions) {
          const best = Math.min(...free.filter((each) => each.actions.includes(action)).map(costOf));
          expect(its && costOf(its)).toBe(best);
        }
      }
    }),
  );
});
