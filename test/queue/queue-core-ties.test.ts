import { describe, expect, it } from "vitest";
import { CoreKit, codeOf, completed, failed, spec } from "./core-kit.ts";

const states = (kit: CoreKit): Record<string, string> =>
  Object.fromEntries(Array.from(kit.core.select({}), ({ taskId, life }) => [taskId, life.state]));

describe("a task that waits for others", () => {
  it("is blocked until all of them have completed, and says by whom", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b"), spec("c", { priority: 9, dependsOn: ["a", "b"] })]);
    expect(kit.core.seats.blocked).toBe(1);
    expect(kit.status("c").blockedBy).toEqual(["a", "b"]);
    expect(kit.claimed()).toEqual(["a", "b"]);
    kit.settle("a", completed, 1);
    expect(kit.status("c").blockedBy).toEqual(["b"]);
    expect(kit.claimed(9, 1)).toEqual([]);
    kit.settle("b", completed, 2);
    expect(kit.core.seats.blocked).toBe(0);
    expect(kit.claimed(9, 2)).toEqual(["c"]);
  });

  it("goes on waiting while one of them is tried again, interrupted or being cancelled", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 }), spec("b", { dependsOn: ["a"] })]);
    for (const end of [failed, { kind: "interrupted" } as const, { kind: "returned" } as const]) {
      kit.claimOne(1);
      kit.settle("a", end, 1);
      expect(kit.status("b")).toMatchObject({ state: "queued", blockedBy: ["a"] });
    }
    kit.claimOne(1);
    kit.core.cancel(["a"], "", 1);
    expect(kit.status("b").state).toBe("queued");
    kit.settle("a", completed, 2);
    expect(kit.claimed(9, 2)).toEqual(["b"]);
  });

  it("is cancelled with DEPENDENCY_FAILED when one of them fails, and so on, each naming the one before", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a"),
      spec("b", { dependsOn: ["a"] }),
      spec("c", { dependsOn: ["b"] }),
      spec("d", { dependsOn: ["a", "c"] }),
      spec("other"),
    ]);
    kit.claimOne();
    const rows = kit.settle("a", failed, 7);
    expect(rows[0]?.task.taskId).toBe("a");
    const details = (taskId: string): unknown =>
      rows.find(({ task }) => task.taskId === taskId)?.error?.details;
    expect(details("b")).toEqual({ taskId: "b", dependency: "a", state: "failed" });
    expect(details("c")).toEqual({ taskId: "c", dependency: "b", state: "cancelled" });
    expect(details("d")).toEqual({ taskId: "d", dependency: "a", state: "failed" });
    expect(
      rows.slice(1).every(({ error, after }) => error?.code === "DEPENDENCY_FAILED" && after.endedAtMs === 7),
    ).toBe(true);
    expect(states(kit)).toEqual({
      a: "failed",
      b: "cancelled",
      c: "cancelled",
      d: "cancelled",
      other: "queued",
    });
    expect(kit.core.seats).toMatchObject({ blocked: 0, deadLetters: 1 });
  });

  it("is cancelled likewise when one of them is cancelled, queued or running, or has no interruptions left", () => {
    const kit = new CoreKit({ limits: { interruptions: 0 } });
    kit.submit(["a", "b", "c"].flatMap((id) => [spec(id), spec(`${id}2`, { dependsOn: [id] })]));
    kit.core.cancel(["a"], "", 1);
    kit.claim(2, 1);
    kit.core.cancel(["b"], "", 1);
    kit.settle("b", { kind: "cancelled" }, 2);
    kit.settle("c", { kind: "interrupted" }, 2);
    expect(states(kit)).toMatchObject({ a2: "cancelled", b2: "cancelled", c: "failed", c2: "cancelled" });
  });

  it("that is to run all the same does so when all have ended, and those behind it are not touched", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a"),
      spec("b"),
      spec("c", { dependsOn: ["a", "b"], onDependencyFailure: "run" }),
      spec("d", { dependsOn: ["c"] }),
    ]);
    kit.claim(2);
    kit.settle("a", failed, 1);
    expect(kit.status("c")).toMatchObject({ state: "queued", blockedBy: ["b"] });
    kit.core.cancel(["b"], "", 1);
    kit.settle("b", { kind: "cancelled" }, 1);
    expect(kit.claimed(9, 1)).toEqual(["c"]);
    expect(kit.status("d")).toMatchObject({ state: "queued", blockedBy: ["c"] });
  });

  it("and is cancelled itself holds nobody up any more", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a"),
      spec("b", { dependsOn: ["a"] }),
      spec("c", { dependsOn: ["b"], onDependencyFailure: "run" }),
    ]);
    kit.core.cancel(["b"], "", 1);
    expect(kit.claimed(9, 1)).toEqual(["a", "c"]);
    kit.settle("a", failed, 2);
    expect(kit.status("b")).toMatchObject({ state: "cancelled", blockedBy: [] });
  });

  it("ends with CANCELLED when it is cancelled together with what it waits for, in either order", () => {
    for (const ids of [
      ["b", "a"],
      ["a", "b"],
    ]) {
      const kit = new CoreKit();
      kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
      const { rows } = kit.core.cancel(ids, "", 1);
      expect(rows).toHaveLength(2);
      expect(states(kit)).toEqual({ a: "cancelled", b: "cancelled" });
    }
  });

  it("is not confused by a later task with the id of one that it waited for", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("a"), spec("b", { priority: 9, dependsOn: ["a"], delayMs: 100 })]);
    kit.claimOne();
    kit.settle("a", completed, 1);
    kit.core.forget(kit.core.leaving(1, 10));
    kit.submit([spec("a", { priority: 0 }), spec("c", { priority: 7, dependsOn: ["a"] })], 2);
    expect(kit.status("b").blockedBy).toEqual([]);
    const { rows } = kit.core.cancel(["b"], "", 3);
    kit.core.undo(rows);
    expect(kit.core.explain(kit.core.task("a"), 3).ordering).toMatchObject({
      inheritedFrom: "c",
      key: [-7, Infinity, 3],
    });
    expect(kit.claimed(9, 3)).toEqual(["a"]);
  });

  it("does not wait for itself under the id of one that has left", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("a")]);
    kit.claimOne();
    kit.settle("a", failed, 1);
    kit.core.forget(kit.core.leaving(1, 10));
    kit.submit([spec("a", { dependsOn: ["a"], onDependencyFailure: "run" })], 2);
    expect(kit.status("a").blockedBy).toEqual([]);
    kit.core.undo(kit.core.cancel(["a"], "", 3).rows);
    expect(kit.status("a").blockedBy).toEqual([]);
    expect(kit.claimed(9, 3)).toEqual(["a"]);
  });

  it("makes no circle with a later task that waits for it under the id of one that it waited for", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("b"), spec("a", { priority: 9, dependsOn: ["b"], delayMs: 100 })]);
    kit.claimOne();
    kit.settle("b", completed, 1);
    kit.core.forget(kit.core.leaving(1, 10));
    kit.submit([spec("b", { dependsOn: ["a"] })], 2);
    kit.core.undo(kit.core.cancel(["a"], "", 3).rows);
    expect(kit.status("a").blockedBy).toEqual([]);
    expect(kit.status("b").blockedBy).toEqual(["a"]);
    expect(kit.core.explain(kit.core.task("b"), 3).ordering).toMatchObject({ inheritedFrom: null });
    expect(kit.claimed(9, 100)).toEqual(["a"]);
  });

  it("fails in a chain of any length without a deep stack", () => {
    const kit = new CoreKit();
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      spec(`t${index}`, { dependsOn: index === 0 ? [] : [`t${index - 1}`] }),
    );
    const { rows: submitted } = kit.submit(chain);
    const { rows } = kit.core.cancel(["t0"], "", 1);
    expect(rows).toHaveLength(10_000);
    expect(kit.core.counts.cancelled).toBe(10_000);
    kit.core.undo(rows);
    expect(kit.core.seats.blocked).toBe(9_999);
    kit.core.undo(submitted);
    expect(kit.core.counts).toMatchObject({ queued: 0, cancelled: 0 });
    expect(kit.claimed()).toEqual([]);
  });
});

describe("groups and retention", () => {
  it("list the tasks of a group in submission order", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { group: "g" }), spec("x"), spec("b", { group: "g", priority: 9 })]);
    expect(Array.from(kit.core.group("g"), ({ taskId }) => taskId)).toEqual(["a", "b"]);
    expect([...kit.core.group("none")]).toEqual([]);
  });

  it("let ended tasks leave, oldest first, when they are too many or too old, but never held or unfinished ones", () => {
    const kit = new CoreKit({ limits: { keptTasks: 1, keptMs: 100 } });
    kit.submit([
      spec("a"),
      spec("b"),
      spec("held", { group: "g" }),
      spec("queued"),
      spec("runs", { priority: 9 }),
    ]);
    kit.claimOne();
    for (const endedAtMs of [10, 20, 30]) kit.settle(kit.claimOne(endedAtMs).taskId, completed, endedAtMs);
    const leaving = (nowMs: number, most: number): string[] =>
      kit.core.leaving(nowMs, most).map(({ taskId }) => taskId);
    expect(leaving(40, 10)).toEqual(["a"]);
    expect(leaving(119, 10)).toEqual(["a"]);
    expect(leaving(120, 10)).toEqual(["a", "b"]);
    expect(leaving(120, 1)).toEqual(["a"]);
    expect(kit.core.release("g").map(({ taskId }) => taskId)).toEqual(["held"]);
    expect(kit.core.release("g")).toEqual([]);
    const all = kit.core.leaving(1_000, 10);
    expect(all.map(({ taskId }) => taskId)).toEqual(["a", "b", "held"]);
    kit.core.forget(all);
    kit.core.forget(all);
    expect(() => kit.core.task("held")).toThrow(codeOf("TASK_NOT_FOUND"));
    expect([...kit.core.group("g")]).toEqual([]);
    expect(kit.core.counts).toMatchObject({ completed: 0, queued: 1, running: 1 });
  });

  it("hold a released group's tasks again when the release is taken back", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("a", { group: "g" }), spec("b", { group: "g" })]);
    kit.settle(kit.claimOne().taskId, completed, 1);
    const released = kit.core.release("g");
    expect(kit.core.leaving(2, 10).map(({ taskId }) => taskId)).toEqual(["a"]);
    kit.core.unrelease(released);
    expect(kit.core.leaving(2, 10)).toEqual([]);
  });

  it("keep a failed task from being a dead letter when it has left", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("a")]);
    kit.claimOne();
    kit.settle("a", failed, 1);
    kit.core.forget(kit.core.leaving(1, 10));
    expect(kit.core.seats.deadLetters).toBe(0);
  });
});
