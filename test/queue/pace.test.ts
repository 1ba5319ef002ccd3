import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pace, admissionOf } from "../../src/queue/pace.ts";
import { runsBefore } from "../../src/queue/task.ts";
import { testSeed } from "../kit/seeded-random.ts";
import { CoreKit, ORDERS, spec } from "./core-kit.ts";

describe("the pace", () => {
  it("is unknown before the first run, and then a mean that follows the latest runs of an action", () => {
    const pace = new Pace();
    expect(pace.runMs("a")).toBeNull();
    pace.observe("a", 100);
    expect(pace.runMs("a")).toBe(100);
    expect(pace.runMs("never")).toBe(100);
    pace.observe("a", 200);
    expect(pace.runMs("a")).toBeCloseTo(110, 9);
    pace.observe("b", 10);
    expect(pace.runMs("b")).toBe(10);
    for (let run = 0; run < 200; run++) pace.observe("a", 500);
    expect(pace.runMs("a")).toBeCloseTo(500, 3);
  });

  it("keeps a mean of their own for a thousand actions, and that of all for the rest", () => {
    const pace = new Pace();
    for (let action = 0; action < 1_001; action++) pace.observe(`a${action}`, action < 1_000 ? 10 : 1_010);
    expect(pace.runMs("a999")).toBe(10);
    expect(pace.runMs("a1000")).toBeCloseTo(110, 6);
  });

  it("tells no wait where there is room, and else in rounds of as many as there is room for", () => {
    const pace = new Pace();
    expect(pace.waitMs(0, 1, 2)).toBe(0);
    expect(pace.waitMs(0, 2, 2)).toBeNull();
    pace.observe("a", 100);
    expect(pace.waitMs(0, 2, 2)).toBe(50);
    expect(pace.waitMs(8, 2, 2)).toBe(450);
  });
});

describe("the position", () => {
  it("counts the ready tasks that run before it, as a naive count does, in every order", () => {
    const seed = testSeed();
    const task = fc.record({
      priority: fc.integer({ min: 0, max: 3 }),
      deadlineMs: fc.integer({ min: 1, max: 4 }),
      action: fc.constantFrom("echo", "shared", "far"),
      delayMs: fc.constantFrom(0, 0, 50),
    });
    const positionTasks = 6;
    fc.assert(
      fc.property(
        fc.constantFrom(...ORDERS),
        fc.array(task, { minLength: 1, maxLength: 30 }),
        (order, tasks) => {
          const kit = new CoreKit({ order, limits: { positionTasks } });
          kit.submit(tasks.map((each, index) => spec(`t${index}`, each)));
          const all = [...kit.core.select({})];
          const ready = all.filter(({ life }) => life.notBeforeMs === null);
          for (const each of all) {
            const ahead = ready.filter((other) => runsBefore(other, each)).length;
            expect(kit.core.position(each, 0)).toMatchObject({
              ahead: Math.min(ahead, positionTasks),
              exact: ahead < positionTasks,
            });
          }
        },
      ),
      { seed, numRuns: 200 },
    );
  });

  it("says when the task would start at the present pace, not before its own time", () => {
    const kit = new CoreKit({ room: { threads: 2, shared: 1 } });
    kit.submit([spec("a"), spec("b"), spec("c"), spec("d", { delayMs: 10_000 })]);
    const start = (id: string): number | null => kit.core.position(kit.core.task(id), 1_000).estimatedStartMs;
    expect(start("a")).toBe(1_000);
    expect(start("c")).toBeNull();
    kit.core.pace.observe("echo", 400);
    expect(start("c")).toBe(1_200);
    expect(start("d")).toBe(10_000);
  });

  it("estimates no start while the queue is paused or nobody can do the task", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b", { action: "far" })]);
    kit.core.pace.observe("echo", 400);
    expect(kit.core.position(kit.core.task("b"), 0).estimatedStartMs).toBeNull();
    kit.core.workers.add({ workerId: "w", capabilities: ["far"] }, 0);
    expect(kit.core.position(kit.core.task("b"), 0).estimatedStartMs).toBe(0);
    kit.core.workers.get("w").draining = true;
    expect(kit.core.position(kit.core.task("b"), 0).estimatedStartMs).toBeNull();
    kit.core.pause = { sinceMs: 0, reason: "" };
    expect(kit.core.position(kit.core.task("a"), 0).estimatedStartMs).toBeNull();
  });
});

describe("admission", () => {
  it("tells whether a task would end by its deadline, and changes nothing", () => {
    const kit = new CoreKit({ room: { threads: 1, shared: 1 } });
    kit.submit([spec("a", { priority: 2 }), spec("b", { priority: 2 })]);
    kit.core.pace.observe("echo", 400);
    const marks = kit.core.marks;
    const ask = (deadlineMs: number, more = {}): unknown =>
      kit.core.admission({ ...spec("x", more), deadlineMs }, 1_000);
    expect(ask(2_200)).toEqual({
      feasible: true,
      estimatedEndMs: 2_200,
      reason: "it would end 0 s before its deadline: 2 tasks are ahead of it",
    });
    expect(ask(1_200)).toEqual({
      feasible: false,
      estimatedEndMs: 2_200,
      reason: "it would end 1 s after its deadline: 2 tasks are ahead of it",
    });
    expect(ask(1_400, { priority: 9 })).toMatchObject({ feasible: true, estimatedEndMs: 1_400 });
    expect(ask(1_400, { priority: 9, delayMs: 5_000 })).toMatchObject({
      feasible: false,
      estimatedEndMs: 6_400,
    });
    expect(kit.core.marks).toEqual(marks);
    expect(kit.core.has("x")).toBe(false);
    expect(kit.core.counts.queued).toBe(2);
  });

  it("promises nothing of what it does not know", () => {
    const { feasible, estimatedEndMs, reason } = new CoreKit().core.admission(
      { ...spec("x"), deadlineMs: 5 },
      0,
    );
    expect({ feasible, estimatedEndMs }).toEqual({ feasible: true, estimatedEndMs: null });
    expect(reason).toBe("nothing is known yet of the pace of the queue");
  });

  it("refuses what cannot end in time whatever the pace: the deadline is over, nothing starts, or nobody can do it", () => {
    const kit = new CoreKit();
    const ask = (deadlineMs: number, action = "echo"): unknown =>
      kit.core.admission({ ...spec("x", { action }), deadlineMs }, 1_000);
    const refused = (reason: string): unknown => ({ feasible: false, estimatedEndMs: null, reason });
    expect(ask(1_000)).toEqual(refused("its deadline has passed"));
    expect(ask(9_000, "far")).toEqual(refused("no worker that is there can do it"));
    kit.core.pause = { sinceMs: 0, reason: "" };
    expect(ask(9_000)).toEqual(refused("the queue is paused"));
  });

  it("says so when it stopped counting those ahead", () => {
    const position = { ahead: 10_000, exact: false, estimatedStartMs: 5 };
    expect(admissionOf(position, 5, 10).reason).toBe(
      "it would end 0 s before its deadline: at least 10000 tasks are ahead of it",
    );
  });
});
