import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS, isFault, toWireError, fault, type WireError } from "../../src/errors/index.ts";
import { QueueCore, type AttemptEnd, type RowChange } from "../../src/queue/queue.core.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import { statusOf } from "../../src/queue/task.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const spec = (taskId: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  taskId,
  action: "echo",
  input: bytes(1),
  ...more,
});
const emptyCore = (limits = {}): QueueCore =>
  new QueueCore({ sequence: 0, token: 0 }, { ...LIMITS.queue, ...limits });
const completed: AttemptEnd = { kind: "completed", output: bytes(7) };
const boom: WireError = toWireError(fault("HANDLER_FAILED", { action: "echo", text: "boom" }));
const failed: AttemptEnd = { kind: "failed", error: boom };

/** Claims one task and says which, with its token. */
function claimOne(core: QueueCore, nowMs = 0): { taskId: string; token: number } {
  const [row] = core.claim(1, nowMs);
  if (!row) throw new Error("nothing was queued");
  return { taskId: row.task.taskId, token: row.after.token };
}

/** Everything that the outside can see of a core. */
function viewOf(core: QueueCore, taskIds: readonly string[]): unknown {
  return {
    counts: { ...core.counts },
    busy: [...core.busy].map((task) => task.taskId).toSorted(),
    tasks: taskIds.map((taskId) =>
      core.has(taskId) ? { ...core.task(taskId), slot: 0, progress: 0 } : null,
    ),
    oldest: core.oldestQueuedAtMs(),
    expired: core
      .expired(1e15, 1e6)
      .map((task) => task.taskId)
      .toSorted(),
    groups: ["g", "h"].map((group) => [...core.group(group)].map((task) => task.taskId)),
  };
}

describe("submit", () => {
  it("gives a task its defaults and queues it", () => {
    const core = emptyCore();
    const { tasks, rows } = core.submit([spec("a")], 50);
    expect(tasks.map(statusOf)).toEqual([
      {
        taskId: "a",
        action: "echo",
        group: null,
        state: "queued",
        priority: 1,
        attempt: 0,
        interruptions: 0,
        progress: 0,
        submittedAtMs: 50,
        startedAtMs: null,
        endedAtMs: null,
      },
    ]);
    expect(rows).toMatchObject([{ before: null, input: bytes(1) }]);
  });

  it("returns a task that is there already with the same action and input as it stands, and writes nothing", () => {
    const core = emptyCore();
    core.submit([spec("a", { priority: 5 })], 0);
    core.settle("a", claimOne(core).token, completed, 9);
    const again = core.submit([spec("a", { priority: 7 })], 10);
    expect(again.rows).toEqual([]);
    expect(again.tasks.map(statusOf)).toMatchObject([{ state: "completed", priority: 5, endedAtMs: 9 }]);
  });

  it("counts a task that is twice in one batch once", () => {
    const core = emptyCore();
    const { tasks, rows } = core.submit([spec("a"), spec("a")], 0);
    expect(tasks[0]).toBe(tasks[1]);
    expect(rows).toHaveLength(1);
    expect(core.counts.queued).toBe(1);
  });

  it.each([
    ["another input", spec("a", { input: bytes(2) })],
    ["another action", spec("a", { action: "sleep" })],
    ["bytes moved from the action to the input", spec("a", { action: "ech", input: bytes(111, 1) })],
  ])("refuses a known id with %s, and nothing of the batch is kept", (_, other) => {
    const core = emptyCore();
    core.submit([spec("a")], 0);
    expect(() => core.submit([spec("b"), other], 0)).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS" }),
    );
    expect(core.has("b")).toBe(false);
    expect(core.counts.queued).toBe(1);
  });
});

describe("claim", () => {
  it("takes tasks by priority, then in submission order, whatever was submitted", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { maxLength: 60 }), (priorities) => {
        const core = emptyCore();
        const tasks = priorities.map((priority, index) => ({ id: `t${index}`, priority, index }));
        core.submit(
          tasks.map(({ id, priority }) => spec(id, { priority })),
          0,
        );
        const expected = tasks.toSorted((a, b) => b.priority - a.priority || a.index - b.index);
        expect(core.claim(100, 0).map((row) => row.task.taskId)).toEqual(expected.map(({ id }) => id));
      }),
    );
  });

  it("never gives a task that runs, and never more than the free slots", () => {
    const core = emptyCore();
    core.submit([spec("a"), spec("b"), spec("c")], 0);
    expect(core.claim(2, 0).map((row) => row.task.taskId)).toEqual(["a", "b"]);
    expect(core.claim(2, 0).map((row) => row.task.taskId)).toEqual(["c"]);
    expect(core.claim(2, 0)).toEqual([]);
    expect(core.claim(0, 0)).toEqual([]);
  });

  it("gives tokens that only rise, across undone claims and above those of earlier lives", () => {
    const core = new QueueCore({ sequence: 0, token: 41 });
    core.submit([spec("a")], 0);
    const first = core.claim(1, 0);
    expect(first[0]?.after.token).toBe(42);
    core.undo(first);
    expect(claimOne(core).token).toBe(43);
  });
});

describe("the end of an attempt", () => {
  it("is refused with LEASE_LOST under an old token, and changes nothing", () => {
    const core = emptyCore();
    core.submit([spec("a", { attempts: 2 })], 0);
    const first = claimOne(core);
    core.settle("a", first.token, failed, 1);
    const before = viewOf(core, ["a"]);
    expect(() => core.settle("a", first.token, completed, 2)).toThrow(
      expect.objectContaining({ code: "LEASE_LOST" }),
    );
    expect(viewOf(core, ["a"])).toEqual(before);
    const second = claimOne(core);
    expect(() => core.settle("a", first.token, completed, 2)).toThrow(
      expect.objectContaining({ code: "LEASE_LOST" }),
    );
    core.settle("a", second.token, completed, 3);
    expect(() => core.settle("a", second.token, completed, 4)).toThrow(
      expect.objectContaining({ code: "LEASE_LOST" }),
    );
    expect(() => core.settle("nobody", 1, completed, 4)).toThrow(
      expect.objectContaining({ code: "LEASE_LOST" }),
    );
  });

  it("queues a failed task again until its attempts are used up, then fails it with the last error", () => {
    const core = emptyCore();
    core.submit([spec("a", { attempts: 3 })], 0);
    for (const attempt of [1, 2]) {
      const row = core.settle("a", claimOne(core).token, failed, 5);
      expect(statusOf(row.task)).toMatchObject({ state: "queued", attempt, endedAtMs: null });
    }
    const last = core.settle("a", claimOne(core).token, failed, 6);
    expect(last.error).toEqual(boom);
    expect(statusOf(last.task)).toMatchObject({ state: "failed", attempt: 3, endedAtMs: 6 });
  });

  it("keeps a task that is tried again in its old place", () => {
    const core = emptyCore();
    core.submit([spec("a", { attempts: 2 }), spec("b")], 0);
    core.settle("a", claimOne(core).token, failed, 1);
    expect(claimOne(core).taskId).toBe("a");
  });

  it("gives an interrupted attempt back, and fails the task when its interruptions are used up", () => {
    const core = emptyCore({ interruptions: 2 });
    core.submit([spec("a")], 0);
    for (const interruptions of [1, 2]) {
      core.settle("a", claimOne(core).token, { kind: "interrupted" }, 1);
      expect(statusOf(core.task("a"))).toMatchObject({ state: "queued", attempt: 0, interruptions });
    }
    const last = core.settle("a", claimOne(core).token, { kind: "interrupted", error: boom }, 8);
    expect(statusOf(last.task)).toMatchObject({ state: "failed", interruptions: 3, endedAtMs: 8 });
    expect(last.error).toMatchObject({
      code: "TASK_INTERRUPTED",
      details: { interruptions: 3, limit: 2 },
      cause: boom,
    });
  });

  it("tolerates five interruptions unless told otherwise, and names no cause when there is none", () => {
    const core = emptyCore();
    core.submit([spec("a")], 0);
    for (let round = 0; round < 5; round += 1)
      core.settle("a", claimOne(core).token, { kind: "interrupted" }, 1);
    expect(core.task("a").life.state).toBe("queued");
    const last = core.settle("a", claimOne(core).token, { kind: "interrupted" }, 1);
    expect(last.error).toMatchObject({ code: "TASK_INTERRUPTED" });
    expect(last.error).not.toHaveProperty("cause");
  });

  it("neither charges nor counts an attempt that the queue itself hands back", () => {
    const core = emptyCore({ interruptions: 0 });
    core.submit([spec("a")], 0);
    core.settle("a", claimOne(core).token, { kind: "returned" }, 1);
    expect(statusOf(core.task("a"))).toMatchObject({ state: "queued", attempt: 0, interruptions: 0 });
  });

  it("takes a cancellation that nobody asked for as an interruption", () => {
    const core = emptyCore();
    core.submit([spec("a")], 0);
    core.settle("a", claimOne(core).token, { kind: "cancelled" }, 1);
    expect(statusOf(core.task("a"))).toMatchObject({ state: "queued", interruptions: 1 });
  });
});

describe("cancel", () => {
  it("ends queued tasks at once, marks running ones, and leaves ended ones alone", () => {
    const core = emptyCore();
    core.submit([spec("done")], 0);
    core.settle("done", claimOne(core).token, completed, 1);
    core.submit([spec("runs")], 0);
    claimOne(core);
    core.submit([spec("waits")], 0);
    const { rows, cancelling } = core.cancel(["done", "runs", "waits", "waits"], "no longer needed", 5);
    expect(rows.map((row) => [row.task.taskId, row.after.state])).toEqual([
      ["runs", "cancelling"],
      ["waits", "cancelled"],
    ]);
    expect(cancelling.map((task) => task.taskId)).toEqual(["runs"]);
    expect(rows[1]?.error).toMatchObject({ code: "CANCELLED", details: { reason: "no longer needed" } });
    expect(core.claim(5, 6)).toEqual([]);
  });

  it.each<[AttemptEnd, string]>([
    [{ kind: "cancelled" }, "cancelled"],
    [failed, "cancelled"],
    [{ kind: "interrupted" }, "cancelled"],
    [{ kind: "returned" }, "cancelled"],
    [completed, "completed"],
  ])("ends a cancelling task whose attempt was %j as %s", (end, state) => {
    const core = emptyCore();
    core.submit([spec("a", { attempts: 9 })], 0);
    const { token } = claimOne(core);
    core.cancel(["a"], "stop it", 1);
    const row = core.settle("a", token, end, 2);
    expect(row.after).toMatchObject({ state, endedAtMs: 2, cancelReason: null });
    if (state === "cancelled")
      expect(row.error).toMatchObject({ code: "CANCELLED", details: { reason: "stop it" } });
    else expect(row.error).toBeUndefined();
  });

  it("names a cancelling task again without another change, so that force may follow", () => {
    const core = emptyCore();
    core.submit([spec("a")], 0);
    claimOne(core);
    core.cancel(["a"], "first", 1);
    const again = core.cancel(["a"], "second", 2);
    expect(again.rows).toEqual([]);
    expect(again.cancelling.map((task) => task.taskId)).toEqual(["a"]);
    expect(core.task("a").life.cancelReason).toBe("first");
  });

  it("changes nothing when one of the tasks is unknown", () => {
    const core = emptyCore();
    core.submit([spec("a")], 0);
    expect(() => core.cancel(["a", "nobody"], "", 1)).toThrow(
      expect.objectContaining({ code: "TASK_NOT_FOUND" }),
    );
    expect(core.task("a").life.state).toBe("queued");
  });
});

describe("progress", () => {
  it("belongs to the attempt that runs, and starts anew with the next", () => {
    const core = emptyCore();
    core.submit([spec("a", { attempts: 2 })], 0);
    expect(core.progress("a", 0.4)).toBe(false);
    const first = claimOne(core);
    expect(core.progress("a", 0.4)).toBe(true);
    expect(statusOf(core.task("a")).progress).toBe(0.4);
    core.settle("a", first.token, failed, 1);
    const second = claimOne(core);
    expect(statusOf(core.task("a")).progress).toBe(0);
    core.settle("a", second.token, completed, 2);
    expect(core.progress("a", 0.1)).toBe(false);
    expect(statusOf(core.task("a")).progress).toBe(1);
    expect(core.progress("nobody", 0.1)).toBe(false);
  });
});

describe("groups and retention", () => {
  it("lists the tasks of a group in submission order", () => {
    const core = emptyCore();
    core.submit(
      [spec("a", { group: "g", priority: 1 }), spec("x"), spec("b", { group: "g", priority: 9 })],
      0,
    );
    expect([...core.group("g")].map((task) => task.taskId)).toEqual(["a", "b"]);
    expect([...core.group("none")]).toEqual([]);
  });

  it("lets ended tasks leave, oldest first, when they are too many or too old, but never held or unfinished ones", () => {
    const core = emptyCore({ keptTasks: 1, keptMs: 100 });
    core.submit([spec("a"), spec("b"), spec("held", { group: "g" }), spec("queued")], 0);
    for (const endedAtMs of [10, 20, 30]) {
      const { taskId, token } = claimOne(core);
      core.settle(taskId, token, completed, endedAtMs);
    }
    expect(core.expired(40, 10).map((task) => task.taskId)).toEqual(["a"]);
    expect(core.expired(119, 10).map((task) => task.taskId)).toEqual(["a"]);
    expect(core.expired(120, 10).map((task) => task.taskId)).toEqual(["a", "b"]);
    expect(core.expired(120, 1).map((task) => task.taskId)).toEqual(["a"]);
    expect(core.release("g").map((task) => task.taskId)).toEqual(["held"]);
    expect(core.release("g")).toEqual([]);
    const expired = core.expired(1_000, 10);
    expect(expired.map((task) => task.taskId)).toEqual(["a", "b", "held"]);
    core.forget(expired);
    expect(core.has("held")).toBe(false);
    expect([...core.group("g")]).toEqual([]);
    expect(core.counts).toMatchObject({ completed: 0, queued: 1 });
  });

  it("holds a released group's tasks again when the release is taken back", () => {
    const core = emptyCore({ keptTasks: 0 });
    core.submit([spec("a", { group: "g" }), spec("b", { group: "g" })], 0);
    core.settle("a", claimOne(core).token, completed, 1);
    const released = core.release("g");
    expect(core.expired(2, 10).map((task) => task.taskId)).toEqual(["a"]);
    core.unrelease(released);
    expect(core.expired(2, 10)).toEqual([]);
  });
});

describe("undo", () => {
  it("restores what was, whatever the batch did", () => {
    const ids = ["a", "b", "c", "d", "e"];
    const id = fc.constantFrom(...ids);
    const command = fc.oneof(
      fc.record({
        do: fc.constant("submit" as const),
        id,
        priority: fc.integer({ min: 0, max: 2 }),
        attempts: fc.integer({ min: 1, max: 2 }),
      }),
      fc.record({ do: fc.constant("claim" as const), slots: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant("cancel" as const), id }),
      fc.record({
        do: fc.constant("settle" as const),
        id,
        end: fc.constantFrom<AttemptEnd>(
          completed,
          failed,
          { kind: "cancelled" },
          { kind: "interrupted" },
          { kind: "returned" },
        ),
      }),
    );
    type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;
    const apply = (core: QueueCore, each: Command, nowMs: number): RowChange[] => {
      try {
        if (each.do === "claim") return core.claim(each.slots, nowMs);
        if (each.do === "cancel") return core.cancel([each.id], "why", nowMs).rows;
        if (each.do === "settle")
          return [core.settle(each.id, core.task(each.id).life.token, each.end, nowMs)];
        return core.submit(
          [
            spec(each.id, {
              priority: each.priority,
              attempts: each.attempts,
              ...(each.priority === 0 && { group: "g" }),
            }),
          ],
          nowMs,
        ).rows;
      } catch (error) {
        if (!isFault(error)) throw error;
        return [];
      }
    };
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 25 }),
        fc.array(command, { maxLength: 25 }),
        (kept, undone) => {
          const core = emptyCore({ interruptions: 1 });
          for (const [nowMs, each] of kept.entries()) apply(core, each, nowMs);
          const before = viewOf(core, ids);
          const batch = undone.map((each, index) => apply(core, each, 100 + index));
          for (const rows of batch.toReversed()) core.undo(rows);
          expect(viewOf(core, ids)).toEqual(before);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("loading", () => {
  it("takes tasks over as they stand and goes on above the marks", () => {
    const first = emptyCore();
    first.submit([spec("a", { group: "g" }), spec("b")], 3);
    first.claim(1, 4);
    const second = new QueueCore(first.marks);
    for (const taskId of ["a", "b"]) second.load({ ...first.task(taskId), slot: -1 });
    expect(second.counts).toMatchObject({ queued: 1, running: 1 });
    expect([...second.busy].map((task) => task.taskId)).toEqual(["a"]);
    expect(second.oldestQueuedAtMs()).toBe(3);
    const { tasks } = second.submit([spec("c")], 5);
    expect(tasks[0]?.sequence).toBe(3);
    expect(second.claim(1, 6)[0]?.after.token).toBe(2);
  });

  it("takes a task twice, or one above the marks, for a defect", () => {
    const core = emptyCore();
    const { tasks } = core.submit([spec("a")], 0);
    const [task] = tasks;
    if (!task) throw new Error("submitted");
    expect(() => core.load({ ...task })).toThrow(TypeError);
    expect(() => core.load({ ...task, taskId: "z", sequence: 99 })).toThrow(TypeError);
  });
});
