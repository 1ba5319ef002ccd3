import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSeed } from "../kit/seeded-random.ts";
import { CoreKit, ORDERS, completed, failed, spec, type KitOptions } from "./core-kit.ts";
import type { Task } from "../../src/queue/task.ts";

const kitWith = (options: KitOptions = {}): CoreKit => new CoreKit({ order: { by: "priority" }, ...options });

/** The priority at which a task stands in the order by priority. */
const effective = ({ core }: CoreKit, taskId: string): number => -core.task(taskId).key.first;

describe("a task that others wait for", () => {
  it("is as urgent as the most urgent of them, and says so", () => {
    const kit = kitWith();
    kit.submit([
      spec("blocker", { priority: 1 }),
      spec("bystander", { priority: 5 }),
      spec("meek", { priority: 3, dependsOn: ["blocker"] }),
      spec("urgent", { priority: 9, dependsOn: ["blocker"] }),
    ]);
    expect(kit.status("blocker")).toMatchObject({ priority: 1, inherits: true });
    expect(kit.core.explain(kit.core.task("blocker"), 0).ordering).toEqual({
      by: "priority",
      key: [-9, Infinity, 1],
      inheritedFrom: "urgent",
    });
    expect(kit.claimed()).toEqual(["blocker", "bystander"]);
  });

  it("is not less urgent than it is by itself", () => {
    const kit = kitWith();
    kit.submit([spec("blocker", { priority: 7 }), spec("waiter", { priority: 2, dependsOn: ["blocker"] })]);
    expect(effective(kit, "blocker")).toBe(7);
    expect(kit.status("blocker").inherits).toBe(false);
    expect(kit.core.boosts).toBe(0);
  });

  it("inherits across any number of tasks between", () => {
    const kit = kitWith();
    const chain = Array.from({ length: 50 }, (_, index) =>
      spec(`t${index}`, { priority: 0, dependsOn: index === 0 ? [] : [`t${index - 1}`] }),
    );
    kit.submit([
      ...chain,
      spec("bystander", { priority: 5 }),
      spec("urgent", { priority: 9, dependsOn: ["t49"] }),
    ]);
    for (const { taskId } of chain) expect(effective(kit, taskId)).toBe(9);
    expect(kit.core.explain(kit.core.task("t0"), 0).ordering.inheritedFrom).toBe("urgent");
    expect(kit.claimed()).toEqual(["t0", "bystander"]);
  });

  it("inherits along both sides of a diamond, and stops when the one at its end is cancelled", () => {
    const kit = kitWith();
    kit.submit([
      spec("root", { priority: 0 }),
      spec("left", { priority: 1, dependsOn: ["root"] }),
      spec("right", { priority: 2, dependsOn: ["root"] }),
      spec("end", { priority: 8, dependsOn: ["left", "right"] }),
    ]);
    expect(["root", "left", "right", "end"].map((id) => effective(kit, id))).toEqual([8, 8, 8, 8]);
    kit.core.cancel(["end"], "", 1);
    expect(["root", "left", "right"].map((id) => effective(kit, id))).toEqual([2, 1, 2]);
    expect(kit.core.explain(kit.core.task("root"), 0).ordering.inheritedFrom).toBe("right");
  });

  it("rises and falls with the priority of those that wait", () => {
    const kit = kitWith();
    kit.submit([
      spec("a", { priority: 1 }),
      spec("b", { priority: 1, dependsOn: ["a"] }),
      spec("c", { priority: 1, dependsOn: ["b"] }),
      spec("bystander", { priority: 5 }),
    ]);
    kit.core.reprioritize(kit.core.task("c"), 6);
    expect(["a", "b", "c"].map((id) => effective(kit, id))).toEqual([6, 6, 6]);
    kit.core.reprioritize(kit.core.task("c"), 3);
    expect(["a", "b", "c"].map((id) => effective(kit, id))).toEqual([3, 3, 3]);
    kit.core.reprioritize(kit.core.task("c"), -2);
    expect(["a", "b", "c"].map((id) => effective(kit, id))).toEqual([1, 1, -2]);
    expect(kit.status("a").inherits).toBe(false);
    expect(kit.claimed()).toEqual(["bystander", "a"]);
  });

  it("inherits while it waits for its own retry, and no longer when it has ended", () => {
    const kit = kitWith();
    kit.submit([
      spec("a", { priority: 1, attempts: 2, backoff: { delayMs: 10 } }),
      spec("b", { priority: 9, dependsOn: ["a"] }),
      spec("bystander", { priority: 5 }),
    ]);
    expect(kit.claimOne().taskId).toBe("a");
    kit.settle("a", failed, 1);
    expect(kit.status("a").inherits).toBe(true);
    expect(kit.claimOne(11).taskId).toBe("a");
    kit.settle("a", completed, 12);
    expect(kit.status("a").inherits).toBe(false);
    expect(kit.claimed(9, 12)).toEqual(["b", "bystander"]);
  });

  it("inherits from a waiter that tolerates failures too, and from none that has failed with another", () => {
    const kit = kitWith();
    kit.submit([
      spec("a", { priority: 1 }),
      spec("b", { priority: 1 }),
      spec("both", { priority: 9, dependsOn: ["a", "b"] }),
      spec("either", { priority: 4, dependsOn: ["a", "b"], onDependencyFailure: "run" }),
    ]);
    expect(effective(kit, "b")).toBe(9);
    kit.core.cancel(["a"], "", 1);
    expect(kit.status("both").state).toBe("cancelled");
    expect(effective(kit, "b")).toBe(4);
  });

  it("inherits a deadline where deadlines order", () => {
    const kit = kitWith({ order: { by: "deadline" } });
    kit.submit([
      spec("slack"),
      spec("soon", { deadlineMs: 500 }),
      spec("sooner", { deadlineMs: 100, dependsOn: ["slack"] }),
    ]);
    expect(kit.claimed()).toEqual(["slack", "soon"]);
  });

  it("inherits nothing in submission order, where urgency has no meaning", () => {
    const kit = kitWith({ order: { by: "fifo" } });
    kit.submit([spec("x"), spec("a"), spec("b", { priority: 99, deadlineMs: 1, dependsOn: ["a"] })]);
    expect(kit.status("a").inherits).toBe(false);
    expect(kit.core.boosts).toBe(0);
    expect(kit.claimed()).toEqual(["x", "a"]);
  });

  it("is counted once each time it becomes more urgent than it is by itself", () => {
    const kit = kitWith();
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    expect(kit.core.boosts).toBe(0);
    kit.submit([spec("c", { priority: 5, dependsOn: ["b"] })]);
    expect(kit.core.boosts).toBe(2);
    kit.submit([spec("d", { priority: 7, dependsOn: ["b"] })]);
    expect(kit.core.boosts).toBe(2);
    kit.core.cancel(["c", "d"], "", 1);
    kit.core.reprioritize(kit.core.task("b"), 3);
    expect(kit.core.boosts).toBe(3);
  });

  it("is settled in time that grows with the tasks of a submit, not with their square", () => {
    const kit = kitWith();
    const tasks = 4_000;
    let moves = 0;
    // Each is more urgent than all before it, and they wait in one chain.
    const chain = Array.from({ length: tasks }, (_, index) =>
      spec(`t${index}`, { priority: index, dependsOn: index === 0 ? [] : [`t${index - 1}`] }),
    );
    const { counts } = kit.core;
    const counted = new Proxy(counts, {
      set: (target, state, value: number) => ((moves += 1), Reflect.set(target, state, value)),
    });
    Reflect.set(kit.core.seats, "counts", counted);
    kit.submit(chain);
    expect(effective(kit, "t0")).toBe(tasks - 1);
    expect(moves).toBeLessThan(10 * tasks);
  });
});

describe("a submit that is taken back", () => {
  it("leaves nothing to claim, though its tasks had made each other urgent", () => {
    const kit = kitWith();
    const { rows } = kit.submit([spec("a"), spec("b", { priority: 9, dependsOn: ["a"] })]);
    kit.core.undo(rows);
    expect(kit.claimed()).toEqual([]);
    expect(kit.core.counts.queued).toBe(0);
  });

  it("takes the urgency back that it gave", () => {
    const kit = kitWith();
    kit.submit([spec("a")]);
    const { rows } = kit.submit([spec("b", { priority: 9, dependsOn: ["a"] })]);
    kit.core.undo(rows);
    expect(effective(kit, "a")).toBe(1);
    expect(kit.status("a").inherits).toBe(false);
  });
});

describe("an end that is taken back", () => {
  it("makes the task urgent again for those that wait for it again, batch by batch", () => {
    const kit = kitWith();
    kit.submit([spec("a", { priority: 0 }), spec("b", { priority: 9, dependsOn: ["a"] })]);
    kit.claimOne();
    const batches = [kit.settle("a", completed, 1), kit.claim(1, 1), kit.settle("b", completed, 2)];
    for (const rows of batches.toReversed()) kit.core.undo(rows);
    expect(effective(kit, "a")).toBe(9);
    expect(kit.status("a").inherits).toBe(true);
  });
});

describe("the effective key", () => {
  it("is the smallest among a task and all that wait for it, however deep, after any changes", () => {
    const seed = testSeed();
    const size = 12;
    const number = fc.integer({ min: 0, max: 6 });
    const graph = fc.array(
      fc.record({ priority: number, deadline: number, on: fc.array(fc.nat(size), { maxLength: 3 }) }),
      {
        minLength: size,
        maxLength: size,
      },
    );
    const change = fc.record({ at: fc.nat(size - 1), priority: fc.option(number) });
    fc.assert(
      fc.property(
        fc.constantFrom(...ORDERS),
        graph,
        fc.array(change, { maxLength: 20 }),
        (order, nodes, changes) => {
          const kit = kitWith({ order });
          kit.submit(
            nodes.map(({ priority, deadline, on }, index) =>
              spec(`t${index}`, {
                priority,
                ...(deadline > 2 && { deadlineMs: deadline * 10 }),
                dependsOn: [...new Set(on.filter((each) => each < index))].map((each) => `t${each}`),
                onDependencyFailure: "run",
              }),
            ),
          );
          const waitersOf = (taskId: string): Task[] =>
            [...kit.core.select({ states: ["queued"] })].filter(({ ties }) =>
              ties?.dependsOn.includes(taskId),
            );
          const keyOf = (task: Task): [number, number] => {
            const { by, ...options } = order as {
              by: string;
              ageingMs?: number;
              weightMs?: number;
              horizonMs?: number;
            };
            const { ageingMs = Infinity, weightMs = 700 / 0.3, horizonMs = 3_600_000 } = options;
            const { priority } = task.life;
            const deadlineMs = task.deadlineMs ?? Infinity;
            const own: [number, number] =
              by === "fifo"
                ? [0, 0]
                : by === "priority"
                  ? [task.submittedAtMs / ageingMs - priority, deadlineMs]
                  : by === "deadline"
                    ? [deadlineMs, -priority]
                    : [(task.deadlineMs ?? task.submittedAtMs + horizonMs) - weightMs * priority, 0];
            return (
              [own, ...waitersOf(task.taskId).map(keyOf)].toSorted(([a, b], [c, d]) =>
                a === c ? b - d || 0 : a - c,
              )[0] ?? own
            );
          };
          for (const { at, priority } of changes) {
            const task = kit.core.task(`t${at}`);
            if (task.life.state !== "queued") continue;
            if (priority === null) kit.core.cancel([task.taskId], "", 1);
            else kit.core.reprioritize(task, priority);
            for (const each of kit.core.select({ states: ["queued"] })) {
              const [first, second] = keyOf(each);
              expect(each.key.first).toBeCloseTo(first, 6);
              expect(each.key.second === second || Math.abs(each.key.second - second) < 1e-6).toBe(true);
            }
          }
        },
      ),
      { seed, numRuns: 150 },
    );
  }, 60_000);
});
