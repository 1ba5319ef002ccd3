import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskOrder } from "../../src/queue/queue.protocol.ts";
import { isBefore, keysBy } from "../../src/queue/task-order.ts";
import { testSeed } from "../kit/seeded-random.ts";
import { CoreKit, ORDERS, spec } from "./core-kit.ts";

interface Given {
  readonly priority: number;
  readonly deadlineMs: number | undefined;
  readonly submittedAtMs: number;
}

const anyTask: fc.Arbitrary<Given> = fc.record({
  priority: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  deadlineMs: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
  submittedAtMs: fc.integer({ min: 0, max: 50 }),
});
const none = (deadlineMs: number | undefined): number => deadlineMs ?? Number.MAX_VALUE;

/** As the contract says it: negative = the first runs sooner. */
const COMPARE: { order: TaskOrder; compare: (a: Given, b: Given) => number }[] = [
  { order: { by: "fifo" }, compare: () => 0 },
  {
    order: { by: "priority" },
    compare: (a, b) => b.priority - a.priority || none(a.deadlineMs) - none(b.deadlineMs),
  },
  {
    order: { by: "priority", ageingMs: 16 },
    compare: (a, b) =>
      b.priority - b.submittedAtMs / 16 - (a.priority - a.submittedAtMs / 16) ||
      none(a.deadlineMs) - none(b.deadlineMs),
  },
  {
    order: { by: "deadline" },
    compare: (a, b) => none(a.deadlineMs) - none(b.deadlineMs) || b.priority - a.priority,
  },
  {
    order: { by: "priority_deadline", weightMs: 8, horizonMs: 64 },
    compare: (a, b) =>
      (a.deadlineMs ?? a.submittedAtMs + 64) -
      8 * a.priority -
      ((b.deadlineMs ?? b.submittedAtMs + 64) - 8 * b.priority),
  },
];

function kitOf(order: TaskOrder, tasks: readonly Given[]): CoreKit {
  const kit = new CoreKit({ order });
  for (const [index, { priority, deadlineMs, submittedAtMs }] of tasks.entries()) {
    kit.submit(
      [spec(`t${index}`, { priority, ...(deadlineMs !== undefined && { deadlineMs }) })],
      submittedAtMs,
    );
  }
  return kit;
}

describe("each order", () => {
  it.each(COMPARE)(
    "gives tasks as the contract sorts them, ties in submission order: $order",
    ({ order, compare }) => {
      const seed = testSeed();
      fc.assert(
        fc.property(fc.array(anyTask, { maxLength: 40 }), (tasks) => {
          // Sorting is stable, so that what compares equal stays in submission order.
          const expected = tasks
            .map((task, index) => ({ task, id: `t${index}` }))
            .toSorted((a, b) => compare(a.task, b.task));
          expect(kitOf(order, tasks).claimed(100, 1_000)).toEqual(expected.map(({ id }) => id));
        }),
        { seed, numRuns: 150 },
      );
    },
  );

  it.each(ORDERS)("does not depend on when it is asked or on what leaves meanwhile: $by", (order) => {
    const seed = testSeed();
    fc.assert(
      fc.property(
        fc.array(anyTask, { maxLength: 30 }),
        fc.array(fc.nat(29)),
        fc.nat(1e12),
        (tasks, gone, laterMs) => {
          const ids = gone.filter((index) => index < tasks.length).map((index) => `t${index}`);
          const whole = kitOf(order, tasks).claimed(100, 100);
          const rest = kitOf(order, tasks);
          rest.core.cancel(ids, "", 100);
          expect(rest.claimed(100, 100 + laterMs)).toEqual(whole.filter((id) => !ids.includes(id)));
        },
      ),
      { seed, numRuns: 100 },
    );
  });

  it.each(ORDERS)(
    "is the order of the keys, then of submission, and no key moves with the clock: $by",
    (order) => {
      const tasks = [3, 1, 2].map((priority, index) => ({
        priority,
        deadlineMs: index * 10,
        submittedAtMs: index,
      }));
      const kit = kitOf(order, tasks);
      const keys = tasks.map((_, index) => kit.core.explain(kit.core.task(`t${index}`), 10).ordering.key);
      kit.claim(0, 1e12);
      expect(
        tasks.map((_, index) => kit.core.explain(kit.core.task(`t${index}`), 1e12).ordering.key),
      ).toEqual(keys);
    },
  );
});

it("has one key for a priority of zero, whichever zero that is", () => {
  for (const order of ORDERS) {
    const [plus, minus] = [0, -0].map((priority) =>
      keysBy(order)({ priority, deadlineMs: 0, submittedAtMs: 0 }),
    );
    expect(minus).toStrictEqual(plus);
    expect(Object.values(plus ?? {}).some((part) => Object.is(part, -0))).toBe(false);
  }
});

describe("ageing", () => {
  it("makes up for one point of priority by exactly ageingMs of waiting, so that nothing starves", () => {
    const later = (submittedAtMs: number): string[] => {
      const kit = new CoreKit({ order: { by: "priority", ageingMs: 1_000 } });
      kit.submit([spec("old", { priority: 1 })], 0);
      kit.submit([spec("new", { priority: 3 })], submittedAtMs);
      return kit.claimed(2, 9_000);
    };
    expect(later(1_999)).toEqual(["new", "old"]);
    expect(later(2_000)).toEqual(["old", "new"]);
    expect(later(2_001)).toEqual(["old", "new"]);
  });
});

describe("the virtual deadline", () => {
  const key = keysBy({ by: "priority_deadline" });

  it("is the deadline less 0.7 / 0.3 s for each point of priority", () => {
    const { first } = key({ priority: 3, submittedAtMs: 5, deadlineMs: 100_000 });
    expect(first).toBeCloseTo(100_000 - 3 * (0.7 / 0.3) * 1_000, 6);
  });

  it("of a task without a deadline comes an hour after its submission, so that it ages instead of starving", () => {
    expect(key({ priority: 0, submittedAtMs: 5, deadlineMs: null }).first).toBe(3_600_005);
    const kit = new CoreKit({ order: { by: "priority_deadline" } });
    kit.submit([spec("none", { priority: 0 })], 0);
    kit.submit(
      [
        spec("before", { priority: 0, deadlineMs: 3_599_999 }),
        spec("after", { priority: 0, deadlineMs: 3_600_001 }),
      ],
      0,
    );
    expect(kit.claimed()).toEqual(["before", "none", "after"]);
  });

  it("weighs as it is told", () => {
    const weighed = keysBy({ by: "priority_deadline", weightMs: 0, horizonMs: 10 });
    expect(weighed({ priority: 9, submittedAtMs: 1, deadlineMs: null }).first).toBe(11);
    expect(weighed({ priority: 9, submittedAtMs: 1, deadlineMs: 50 }).first).toBe(50);
  });
});

describe("keys", () => {
  it.each(ORDERS)("of tasks without a deadline that are equally urgent are one object by $by", (order) => {
    const key = keysBy(order);
    const [a, b] = [1, 1].map((priority) => key({ priority, submittedAtMs: 7, deadlineMs: null }));
    expect(a).toBe(b);
    for (let priority = 2; priority < 2_002; priority++)
      key({ priority, submittedAtMs: 7, deadlineMs: null });
    expect(key({ priority: 1, submittedAtMs: 7, deadlineMs: null })).toEqual(a);
  });
});

describe("a key", () => {
  it("comes before another by its first number, then by its second, and never before an equal one", () => {
    expect(isBefore({ first: 1, second: 9 }, { first: 2, second: 0 })).toBe(true);
    expect(isBefore({ first: 2, second: 0 }, { first: 1, second: 9 })).toBe(false);
    expect(isBefore({ first: 1, second: 0 }, { first: 1, second: 1 })).toBe(true);
    expect(isBefore({ first: Infinity, second: 1 }, { first: Infinity, second: 1 })).toBe(false);
  });
});

describe("a change of priority", () => {
  it("moves a waiting task to the place it would have had", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b"), spec("c")]);
    const row = kit.core.reprioritize(kit.core.task("c"), 2);
    expect(row).toMatchObject({ before: { priority: 1 }, after: { priority: 2 } });
    kit.core.reprioritize(kit.core.task("a"), kit.core.task("a").life.priority - 3);
    expect([...kit.core.seats.queuedByPriority]).toEqual([
      [1, 1],
      [2, 1],
      [-2, 1],
    ]);
    expect(kit.claimed()).toEqual(["c", "b", "a"]);
  });

  it("of a running task holds for its next attempt; of one that has ended it is refused", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 }), spec("b", { priority: 5 })]);
    kit.claimed();
    kit.core.reprioritize(kit.core.task("a"), 9);
    for (const id of ["a", "b"]) kit.settle(id, { kind: "returned" }, 1);
    expect(kit.claimed(1, 1)).toEqual(["a"]);
    kit.settle("a", { kind: "completed", output: new Uint8Array() }, 1);
    expect(() => kit.core.reprioritize(kit.core.task("a"), 1)).toThrow(
      expect.objectContaining({ code: "TASK_ENDED" }),
    );
    expect(kit.status("a").priority).toBe(9);
  });
});
