import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Kept } from "../../src/queue/queue.core.ts";
import { Task } from "../../src/queue/task.ts";
import { testSeed } from "../kit/seeded-random.ts";
import {
  CoreDriver,
  CoreKit,
  ORDERS,
  SMALL,
  anyCommand,
  completed,
  drain,
  spec,
  viewOf,
  type Command,
  type KitOptions,
} from "./core-kit.ts";

/** What the disk would give back: tasks as they stand, untied, and what they were submitted to wait for. */
function saved({ core }: CoreKit): Kept {
  const tasks = [...core.select({})];
  const dependsOn = new Map<number, readonly string[]>();
  for (const { sequence, ties } of tasks)
    if (ties && ties.dependsOn.length > 0) dependsOn.set(sequence, ties.dependsOn);
  return { tasks: tasks.map((task) => new Task(task)), dependsOn, furtherKeys: new Map(), departed: [] };
}

function reopened(kit: CoreDriver, options: KitOptions): CoreDriver {
  const { core } = kit;
  const next = new CoreDriver({
    ...options,
    marks: core.marks,
    pause: core.pause,
    quotas: core.quotas.all().map(({ quota }) => quota),
    nowMs: kit.nowMs,
  });
  next.nowMs = kit.nowMs;
  next.core.load(saved(kit));
  return next;
}

/** Neither who drains nor whose turn it is outlives a queue. */
const isOfThisLife = (command: Command): boolean =>
  command.do === "drain" || (command.do === "quota" && command.quota.weight !== undefined);

describe("loading", () => {
  it("gives the same order, ties, inheritance and counts as the queue that was left, whatever happened in it", () => {
    const seed = testSeed();
    fc.assert(
      fc.property(
        fc.constantFrom(...ORDERS),
        fc.array(anyCommand, { maxLength: 60, size: "max" }),
        (order, commands) => {
          const options = { ...SMALL, order };
          const live = new CoreDriver(options);
          for (const command of commands) if (!isOfThisLife(command)) live.apply(command);
          // A second of rest, after which no rate remembers what was spent before.
          live.nowMs += 1_000;
          const loaded = reopened(live, options);
          for (const { workerId } of live.core.workers.all())
            loaded.core.workers.get(workerId).lastSeenMs = live.core.workers.get(workerId).lastSeenMs;
          const view = (driver: CoreDriver): unknown => {
            const { workers, ...rest } = viewOf(driver) as { workers: { running: unknown }[] };
            return { ...rest, running: workers.map(({ running }) => running) };
          };
          expect(view(loaded)).toEqual(view(live));
          expect(drain(loaded)).toEqual(drain(live));
          expect(view(loaded)).toEqual(view(live));
        },
      ),
      { seed, numRuns: 300 },
    );
  }, 60_000);

  it("goes on above the marks, also when what bore them is gone", () => {
    const kit = new CoreDriver({});
    kit.submit([spec("a"), spec("b")], 3);
    kit.claim(1, 4);
    const next = reopened(kit, {});
    expect([...next.core.busy].map(({ taskId }) => taskId)).toEqual(["a"]);
    expect(next.submit([spec("c")], 5).tasks[0]?.task.sequence).toBe(3);
    expect(next.claim(1, 6)[0]?.after.token).toBe(2);
    const later = new CoreKit({ marks: { sequence: 90, token: 70 } });
    expect(later.submit([spec("d")]).tasks[0]?.task.sequence).toBe(91);
    expect(later.claim(1)[0]?.after.token).toBe(71);
  });

  it("forgets waits whose tasks have ended or are gone", () => {
    const kit = new CoreDriver({ limits: { keptTasks: 0 } });
    kit.submit([spec("a"), spec("b"), spec("c", { dependsOn: ["a", "b"], delayMs: 5 })]);
    kit.claim(2);
    kit.settle("a", completed, 1);
    kit.core.forget(kit.core.leaving(1, 9));
    kit.settle("b", completed, 1);
    const next = reopened(kit, {});
    expect(next.status("c").blockedBy).toEqual([]);
    expect(next.claimed(9, 5)).toEqual(["c"]);
  });

  it("does not take a later task for the one that a task waited for because it has its id", () => {
    const kit = new CoreDriver({ limits: { keptTasks: 0 } });
    kit.submit([spec("b"), spec("a", { dependsOn: ["b"], delayMs: 100 })]);
    kit.claim(1);
    kit.settle("b", completed, 1);
    kit.core.forget(kit.core.leaving(1, 9));
    kit.submit([spec("b", { priority: 9, dependsOn: ["a"] })], 2);
    const next = reopened(kit, {});
    expect(next.status("a").blockedBy).toEqual([]);
    expect(next.status("b").blockedBy).toEqual(["a"]);
    expect(next.claimed(9, 100)).toEqual(["a"]);
  });

  it("finds what somebody has or had, and what was indexed, before all others are found", () => {
    const options = { workers: [{ workerId: "w", capabilities: ["echo"] }] };
    const kit = new CoreDriver(options);
    kit.submit(["a", "b", "c", "held", "e"].map((id) => spec(id)));
    kit.core.reprioritize(kit.core.task("held"), 9);
    kit.claim(1, 0, "w", 100);
    kit.core.reprioritize(kit.core.task("e"), 5);
    const next = reopened(kit, options);
    const someAreLeft = (): boolean => next.core.index(0);
    expect(next.core.index(1)).toBe(true);
    expect([next.core.has("a"), next.core.has("held"), someAreLeft()]).toEqual([true, true, true]);
    const { taskId, token } = next.claimOne(1);
    expect(taskId).toBe("e");
    next.core.settle("e", token, completed, 2);
    next.settle("held", completed, 2);
    expect([next.status("e").state, next.status("held").state]).toEqual(["completed", "completed"]);
    expect(someAreLeft()).toBe(true);
    // Only who asks for another name waits for all of them, which are still in their order.
    expect([next.core.has("c"), someAreLeft()]).toEqual([true, false]);
    expect(Array.from(next.core.select({}), (task) => task.taskId)).toEqual(["a", "b", "c", "held", "e"]);
  });

  it("takes a task above the marks for a defect", () => {
    const kit = new CoreKit();
    const [task] = kit.submit([spec("a")]).tasks;
    if (!task) throw new Error("submitted");
    expect(() => new CoreKit().core.load({ ...saved(new CoreKit()), tasks: [new Task(task.task)] })).toThrow(
      TypeError,
    );
  });
});
