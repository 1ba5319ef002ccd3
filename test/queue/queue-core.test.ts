import { describe, expect, it } from "vitest";
import type { AttemptEnd } from "../../src/queue/queue.core.ts";
import { CoreKit, boom, bytes, codeOf, completed, failed, spec } from "./core-kit.ts";

describe("a submit", () => {
  it("makes tasks that share all that they have alike: terms, time, group, life and key", () => {
    const kit = new CoreKit();
    const kind = { group: "g", priority: 4, attempts: 3, tags: ["x"] };
    const [a, b, c] = kit
      .submit([spec("a", kind), spec("b", kind), spec("c", { ...kind, group: "h" })], 50)
      .tasks.map(({ task }) => task);
    for (const shared of ["terms", "birth", "life", "key"] as const) expect(a?.[shared]).toBe(b?.[shared]);
    expect(c?.birth).not.toBe(b?.birth);
    expect([a?.group, b?.group, c?.group, c?.submittedAtMs]).toEqual(["g", "g", "h", 50]);
  });

  it("gives a task its defaults and queues it", () => {
    const kit = new CoreKit();
    const { rows } = kit.submit([spec("a")], 50);
    expect(kit.status("a")).toEqual({
      ...{ taskId: "a", action: "echo", group: null, state: "queued", priority: 1 },
      ...{ attempt: 0, attempts: 1, interruptions: 0, progress: 0 },
      ...{ submittedAtMs: 50, startedAtMs: null, endedAtMs: null, deadlineMs: null, notBeforeMs: null },
      ...{
        blockedBy: [],
        workerId: null,
        tags: [],
        deadLetter: false,
        origin: null,
        successor: null,
        inherits: false,
      },
    });
    expect(rows).toMatchObject([
      { before: null, content: { input: bytes(1), metadata: null, dependsOn: [] } },
    ]);
  });

  it("lets tasks with equal terms share them", () => {
    const kit = new CoreKit();
    const terms = (more = {}): unknown =>
      kit.submit([spec(`t${kit.core.counts.queued}`, more)]).tasks[0]?.task.terms;
    expect(terms()).toBe(terms());
    expect(terms({ tags: ["x", "y"], attempts: 2 })).toBe(terms({ tags: ["x", "y", "x"], attempts: 2 }));
    expect(terms({ tags: ["y", "x"] })).not.toBe(terms({ tags: ["x", "y"] }));
    expect(terms({ requires: ["y", "x"] })).toBe(terms({ requires: ["x", "y"] }));
    expect(terms({ attempts: 1, timeoutMs: 5 })).not.toBe(terms());
    expect(terms({ attempts: 1, onDependencyFailure: "cancel" })).toBe(terms());
  });
});

describe("a claim", () => {
  it("never gives a task that runs, and never more than it is asked for", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b"), spec("c")]);
    expect(kit.claimed(2)).toEqual(["a", "b"]);
    expect(kit.claimed(2)).toEqual(["c"]);
    expect(kit.claimed(2)).toEqual([]);
    expect(kit.claimed(0)).toEqual([]);
  });

  it("gives tokens that only rise, across claims that were taken back and above those of earlier lives", () => {
    const kit = new CoreKit({ marks: { sequence: 0, token: 41 } });
    kit.submit([spec("a")]);
    const first = kit.claim(1);
    expect(first[0]?.after.token).toBe(42);
    kit.core.undo(first);
    expect(kit.claimOne().token).toBe(43);
  });

  it("gives nothing while the queue is paused; what runs goes on to its end", () => {
    const kit = new CoreKit({ pause: { sinceMs: 0, reason: "maintenance" } });
    kit.submit([spec("a"), spec("b")]);
    expect(kit.claimed()).toEqual([]);
    expect(kit.core.couldClaim(kit.core.workers.local, 0)).toBe(false);
    kit.core.pause = null;
    expect(kit.core.couldClaim(kit.core.workers.local, 0)).toBe(true);
    const { token } = kit.claimOne();
    kit.core.pause = { sinceMs: 1, reason: "" };
    expect(kit.claimed()).toEqual([]);
    expect(kit.core.settle("a", token, completed, 2)[0]?.after.state).toBe("completed");
  });
});

describe("the end of an attempt", () => {
  it("is refused with LEASE_LOST under an old token, and changes nothing", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 })]);
    const first = kit.claimOne();
    kit.settle("a", failed, 1);
    const before = kit.status("a");
    for (const taskId of ["a", "nobody"]) {
      expect(() => kit.core.settle(taskId, first.token, completed, 2)).toThrow(codeOf("LEASE_LOST"));
    }
    expect(kit.status("a")).toEqual(before);
    const second = kit.claimOne();
    expect(() => kit.core.settle("a", first.token, completed, 2)).toThrow(codeOf("LEASE_LOST"));
    expect(kit.core.settle("a", second.token, completed, 3)[0]).toMatchObject({
      output: bytes(7),
      after: { state: "completed", endedAtMs: 3 },
    });
    expect(() => kit.core.settle("a", second.token, completed, 4)).toThrow(codeOf("LEASE_LOST"));
  });

  it("uses an attempt when it failed: the task is queued until none is left, then failed with the last error", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 3 })]);
    for (const attempt of [1, 2]) {
      kit.claimOne(3);
      const [row] = kit.settle("a", failed, 5);
      expect(row?.attempt).toEqual({
        attempt,
        kind: "failed",
        startedAtMs: 3,
        endedAtMs: 5,
        workerId: "local",
        error: boom,
      });
      expect(row?.error).toBeUndefined();
      expect(kit.status("a")).toMatchObject({ state: "queued", attempt, endedAtMs: null, deadLetter: false });
    }
    kit.claimOne(6);
    const [last] = kit.settle("a", failed, 7);
    expect(last).toMatchObject({ error: boom, attempt: { attempt: 3, kind: "failed" } });
    expect(kit.status("a")).toMatchObject({ state: "failed", attempt: 3, endedAtMs: 7, deadLetter: true });
    expect(kit.core.seats.deadLetters).toBe(1);
  });

  it("keeps a task that is tried again in its old place", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 }), spec("b")]);
    kit.claimOne();
    kit.settle("a", failed, 1);
    expect(kit.claimOne().taskId).toBe("a");
  });

  it("gives an interrupted attempt back, and fails the task when its interruptions are used up", () => {
    const kit = new CoreKit({ limits: { interruptions: 2 } });
    kit.submit([spec("a")]);
    for (const interruptions of [1, 2]) {
      kit.claimOne();
      const [row] = kit.settle("a", { kind: "interrupted" }, 1);
      expect(row?.attempt).toMatchObject({ attempt: 1, kind: "interrupted", error: null });
      expect(kit.status("a")).toMatchObject({ state: "queued", attempt: 0, interruptions });
    }
    kit.claimOne();
    const [last] = kit.settle("a", { kind: "interrupted", error: boom }, 8);
    expect(kit.status("a")).toMatchObject({
      state: "failed",
      interruptions: 3,
      endedAtMs: 8,
      deadLetter: true,
    });
    expect(last?.error).toMatchObject({
      code: "TASK_INTERRUPTED",
      details: { interruptions: 3, limit: 2 },
      cause: boom,
    });
  });

  it("tolerates five interruptions unless told otherwise, and names no cause when there is none", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    for (let round = 0; round < 5; round += 1) {
      kit.claimOne();
      kit.settle("a", { kind: "interrupted" }, 1);
    }
    expect(kit.status("a")).toMatchObject({ state: "queued", interruptions: 5 });
    kit.claimOne();
    const [last] = kit.settle("a", { kind: "interrupted" }, 1);
    expect(last?.error).toMatchObject({ code: "TASK_INTERRUPTED" });
    expect(last?.error).not.toHaveProperty("cause");
  });

  it("neither charges nor counts an attempt that is handed back, however often", () => {
    const kit = new CoreKit({ limits: { interruptions: 0 } });
    kit.submit([spec("a")]);
    for (let round = 0; round < 9; round += 1) {
      kit.claimOne();
      expect(kit.settle("a", { kind: "returned" }, 1)[0]?.attempt).toBeUndefined();
    }
    expect(kit.status("a")).toMatchObject({ state: "queued", attempt: 0, interruptions: 0 });
  });

  it("takes a cancellation that nobody asked for as an interruption", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    kit.claimOne();
    kit.settle("a", { kind: "cancelled" }, 1);
    expect(kit.status("a")).toMatchObject({ state: "queued", interruptions: 1 });
  });

  it("brings what the attempt logged, with the row of its own task", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    const { token } = kit.claimOne();
    const line = { atMs: 1, attempt: 1, level: "info" as const, message: "half way", fields: {} };
    const rows = kit.core.settle("a", token, failed, 2, [line]);
    expect(rows.map(({ task, log }) => [task.taskId, log])).toEqual([
      ["a", [line]],
      ["b", undefined],
    ]);
  });
});

describe("a cancel", () => {
  it("ends queued tasks at once, marks running ones, and leaves ended ones alone", () => {
    const kit = new CoreKit();
    kit.submit([spec("done"), spec("runs"), spec("waits"), spec("delayed", { delayMs: 9 })]);
    kit.claim(2);
    kit.settle("done", completed, 1);
    const { rows, cancelling } = kit.core.cancel(
      ["done", "runs", "waits", "waits", "delayed"],
      "no longer needed",
      5,
    );
    expect(rows.map(({ task, after }) => [task.taskId, after.state])).toEqual([
      ["runs", "cancelling"],
      ["waits", "cancelled"],
      ["delayed", "cancelled"],
    ]);
    expect(cancelling.map(({ taskId }) => taskId)).toEqual(["runs"]);
    expect(rows[1]?.error).toMatchObject({ code: "CANCELLED", details: { reason: "no longer needed" } });
    expect(kit.claimed(5, 99)).toEqual([]);
    expect(kit.core.counts).toMatchObject({
      completed: 1,
      cancelling: 1,
      cancelled: 2,
      queued: 0,
      running: 0,
    });
  });

  it.each<[AttemptEnd, string]>([
    [{ kind: "cancelled" }, "cancelled"],
    [failed, "cancelled"],
    [{ kind: "interrupted" }, "cancelled"],
    [{ kind: "returned" }, "cancelled"],
    [completed, "completed"],
  ])("ends a cancelling task whose attempt was %j as %s", (end, state) => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 9 })]);
    kit.claimOne();
    kit.core.cancel(["a"], "stop it", 1);
    const [row] = kit.settle("a", end, 2);
    expect(row?.after).toMatchObject({ state, endedAtMs: 2, cancelReason: null });
    if (state === "cancelled")
      expect(row?.error).toMatchObject({ code: "CANCELLED", details: { reason: "stop it" } });
    else expect(row?.error).toBeUndefined();
    expect(kit.core.seats.deadLetters).toBe(0);
  });

  it("names a cancelling task again without another change, so that force may follow", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    kit.claimOne();
    kit.core.cancel(["a"], "first", 1);
    const again = kit.core.cancel(["a"], "second", 2);
    expect(again.rows).toEqual([]);
    expect(again.cancelling.map(({ taskId }) => taskId)).toEqual(["a"]);
    expect(kit.core.task("a").life.cancelReason).toBe("first");
  });

  it("changes nothing when one of the tasks is unknown", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    expect(() => kit.core.cancel(["a", "nobody"], "", 1)).toThrow(codeOf("TASK_NOT_FOUND"));
    expect(kit.status("a").state).toBe("queued");
  });
});

describe("progress", () => {
  it("belongs to the attempt that runs, and starts anew with the next", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 })]);
    expect(kit.core.progress("a", 0, 0.4)).toBe(false);
    const first = kit.claimOne();
    expect(kit.core.progress("a", first.token, 0.4)).toBe(true);
    expect(kit.status("a").progress).toBe(0.4);
    kit.settle("a", failed, 1);
    const second = kit.claimOne();
    expect(kit.status("a").progress).toBe(0);
    expect(kit.core.progress("a", first.token, 0.6)).toBe(false);
    expect(kit.status("a").progress).toBe(0);
    kit.settle("a", completed, 2);
    expect(kit.core.progress("a", second.token, 0.1)).toBe(false);
    expect(kit.status("a").progress).toBe(1);
    expect(kit.core.progress("nobody", 1, 0.1)).toBe(false);
  });
});

describe("lists", () => {
  it("hold the tasks for which every given condition is true, in submission order", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a", { tags: ["x", "y"], group: "g" }),
      spec("b", { tags: ["x"], priority: 3 }),
      spec("c", { action: "shared", tags: ["y"], group: "g" }),
    ]);
    kit.claim(1, 3);
    kit.settle("b", failed, 4);
    const ids = (filter: Parameters<typeof kit.core.select>[0]): string[] =>
      Array.from(kit.core.select(filter), ({ taskId }) => taskId);
    expect(ids({})).toEqual(["a", "b", "c"]);
    expect(ids({ states: ["queued"] })).toEqual(["a", "c"]);
    expect(ids({ states: [] })).toEqual([]);
    expect(ids({ tags: ["x"] })).toEqual(["a", "b"]);
    expect(ids({ tags: ["x", "y"] })).toEqual(["a"]);
    expect(ids({ action: "shared", group: "g" })).toEqual(["c"]);
    expect(ids({ workerId: "local" })).toEqual(["b"]);
    expect(ids({ priorityMin: 2 })).toEqual(["b"]);
    expect(ids({ deadLetter: true })).toEqual(["b"]);
    expect(ids({ deadLetter: false })).toEqual(["a", "c"]);
  });

  it("tell the time of the oldest queued task, and null when none is queued", () => {
    const kit = new CoreKit();
    expect(kit.core.oldestQueuedAtMs()).toBeNull();
    kit.submit([spec("a")], 5);
    kit.submit([spec("b")], 9);
    kit.claim(1, 9);
    expect(kit.core.oldestQueuedAtMs()).toBe(9);
  });
});
