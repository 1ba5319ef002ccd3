import { describe, expect, it } from "vitest";
import { CoreKit, boom, bytes, codeOf, completed, failed, spec } from "./core-kit.ts";

const ended = (taskId: string, end = completed): CoreKit => {
  const kit = new CoreKit({ limits: { keptTasks: 0 } });
  kit.submit([spec(taskId)]);
  kit.claimOne();
  kit.settle(taskId, end, 1);
  return kit;
};

describe("a task with a known id", () => {
  it("is returned as it stands when it is the same work, and nothing is written", () => {
    const kit = ended("a");
    const again = kit.submit([spec("a", { priority: 7 })], 10);
    expect(again.rows).toEqual([]);
    expect(again.tasks).toMatchObject([
      { replayed: true, task: { taskId: "a", life: { state: "completed", priority: 1 } } },
    ]);
  });

  it("that is twice in one submit is counted once", () => {
    const kit = new CoreKit();
    const { tasks, rows } = kit.submit([spec("a"), spec("a")]);
    expect(tasks.map(({ replayed }) => replayed)).toEqual([false, true]);
    expect(tasks[0]?.task).toBe(tasks[1]?.task);
    expect(rows).toHaveLength(1);
    expect(kit.core.counts.queued).toBe(1);
  });

  it.each([
    ["another input", spec("a", { input: bytes(2) })],
    ["another action", spec("a", { action: "sleep" })],
    ["bytes moved from the action to the input", spec("a", { action: "ech", input: bytes(111, 1) })],
  ])("with %s is refused, and nothing of the submit is kept", (_, other) => {
    for (const kit of [new CoreKit(), ended("a")]) {
      const marks = kit.core.marks;
      expect(() => kit.submit([spec("b"), spec("a"), other])).toThrow(codeOf("ALREADY_EXISTS"));
      expect(kit.core.has("b")).toBe(false);
      expect(kit.core.counts.queued).toBe(0);
      expect(kit.core.marks).toEqual(marks);
    }
  });
});

describe("an idempotency key", () => {
  it("with the same work is the same task, whatever its id, also within one submit", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { idempotencyKey: "k" })]);
    const { tasks, rows } = kit.submit([
      spec("b", { idempotencyKey: "k", priority: 9 }),
      spec("c", { idempotencyKey: "l" }),
      spec("d", { idempotencyKey: "l" }),
    ]);
    expect(tasks.map(({ task, replayed }) => [task.taskId, replayed])).toEqual([
      ["a", true],
      ["c", false],
      ["c", true],
    ]);
    expect(rows).toHaveLength(1);
    expect(kit.core.has("b")).toBe(false);
  });

  it("with other work is refused, and the first is named", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { idempotencyKey: "k" })]);
    expect(() => kit.submit([spec("b", { idempotencyKey: "k", input: bytes(2) })])).toThrow(
      expect.objectContaining({ code: "IDEMPOTENCY_CONFLICT", details: { key: "k", taskId: "a" } }),
    );
    const pair = [spec("x", { idempotencyKey: "l" }), spec("y", { idempotencyKey: "l", action: "shared" })];
    expect(() => kit.submit(pair)).toThrow(codeOf("IDEMPOTENCY_CONFLICT"));
    expect(kit.core.has("x")).toBe(false);
  });

  it("of a later submit of the same task is that task's too, beside those that it has", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { idempotencyKey: "first" }), spec("b")]);
    const { tasks, rows } = kit.submit([
      spec("a", { idempotencyKey: "k" }),
      spec("b", { idempotencyKey: "l" }),
      spec("new", { idempotencyKey: "l" }),
    ]);
    expect(tasks.map(({ task, replayed }) => [task.taskId, replayed])).toEqual([
      ["a", true],
      ["b", true],
      ["b", true],
    ]);
    expect(rows.map(({ task, key }) => [task.taskId, key])).toEqual([
      ["a", "k"],
      ["b", "l"],
    ]);
    for (const key of ["first", "k"]) {
      const again = kit.submit([spec("other", { idempotencyKey: key })]);
      expect(again.rows).toEqual([]);
      expect(again.tasks).toMatchObject([{ task: { taskId: "a" }, replayed: true }]);
    }
    expect(() => kit.submit([spec("c", { idempotencyKey: "k", input: bytes(2) })])).toThrow(
      expect.objectContaining({ code: "IDEMPOTENCY_CONFLICT", details: { key: "k", taskId: "a" } }),
    );
  });

  it("that belongs to one task is not given to another: it says which of two with the same work is meant", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { idempotencyKey: "k" }), spec("b")]);
    const { tasks, rows } = kit.submit([spec("b", { idempotencyKey: "k" })]);
    expect(tasks).toMatchObject([{ task: { taskId: "a" }, replayed: true }]);
    expect(rows).toEqual([]);
    kit.submit([spec("c", { input: bytes(2) })]);
    expect(() => kit.submit([spec("c", { input: bytes(2), idempotencyKey: "k" })])).toThrow(
      codeOf("IDEMPOTENCY_CONFLICT"),
    );
  });

  it("of a later submit leaves with its task, and is taken back with its submit", () => {
    const kit = ended("a");
    const { rows } = kit.submit([spec("a", { idempotencyKey: "k" })]);
    kit.core.undo(rows);
    const made = kit.submit([spec("b", { idempotencyKey: "k" })]);
    expect(made.tasks[0]).toMatchObject({ task: { taskId: "b" }, replayed: false });
    kit.core.undo(made.rows);
    kit.submit([spec("a", { idempotencyKey: "k" })]);
    kit.core.forget(kit.core.leaving(2, 10));
    expect(kit.submit([spec("b", { idempotencyKey: "k" })]).tasks[0]?.replayed).toBe(false);
  });

  it("can be given to a task by so many later submits, and one more refuses the whole submit", () => {
    const kit = new CoreKit({ limits: { furtherKeys: 2 } });
    kit.submit([spec("a", { idempotencyKey: "own" })]);
    const given = (key: string): ReturnType<typeof spec> => spec("a", { idempotencyKey: key });
    kit.submit([given("1")]);
    expect(() => kit.submit([given("2"), given("3")])).toThrow(codeOf("INVALID_ARGUMENT"));
    kit.submit([given("2"), given("2"), given("1"), given("own")]);
    expect(() => kit.submit([spec("b"), given("3")])).toThrow(codeOf("INVALID_ARGUMENT"));
    expect(kit.core.has("b")).toBe(false);
  });

  it("is free again when its task has left, or its submit was taken back", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0 } });
    kit.submit([spec("a", { idempotencyKey: "k" })]);
    kit.claimOne();
    kit.settle("a", completed, 1);
    expect(kit.submit([spec("b", { idempotencyKey: "k" })]).tasks[0]?.replayed).toBe(true);
    kit.core.forget(kit.core.leaving(2, 10));
    const { tasks, rows } = kit.submit([spec("b", { idempotencyKey: "k", input: bytes(2) })]);
    expect(tasks[0]).toMatchObject({ replayed: false, task: { taskId: "b" } });
    kit.core.undo(rows);
    expect(kit.submit([spec("c", { idempotencyKey: "k" })]).tasks[0]?.replayed).toBe(false);
  });
});

describe("dependencies", () => {
  it("are known tasks, or earlier ones of the same submit", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    expect(kit.status("b")).toMatchObject({ state: "queued", blockedBy: ["a"] });
    for (const dependsOn of [["nobody"], ["later"], ["self"]]) {
      expect(() => kit.submit([spec("first"), spec("self", { dependsOn }), spec("later")])).toThrow(
        expect.objectContaining({
          code: "UNKNOWN_DEPENDENCY",
          details: { taskId: "self", dependency: dependsOn[0] },
        }),
      );
      expect(kit.core.has("first")).toBe(false);
    }
  });

  it("that have completed hold nothing up, and are not asked for twice", () => {
    const kit = ended("a");
    kit.submit([spec("b", { dependsOn: ["a", "a"] })]);
    expect(kit.status("b").blockedBy).toEqual([]);
    expect(kit.claimed(1, 2)).toEqual(["b"]);
    const { rows } = kit.submit([spec("c", { dependsOn: ["b", "b"] })]);
    expect(rows[0]?.content?.dependsOn).toEqual(["b"]);
    expect(kit.status("c").blockedBy).toEqual(["b"]);
  });

  it.each([
    ["failed", failed],
    ["was cancelled", { kind: "cancelled" } as const],
  ])("of which one %s refuse the task, unless it is to run all the same", (_, end) => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    kit.claimOne();
    if (end.kind === "cancelled") kit.core.cancel(["a"], "", 1);
    kit.settle("a", end, 1);
    const { state } = kit.status("a");
    expect(() => kit.submit([spec("b", { dependsOn: ["a"] })])).toThrow(
      expect.objectContaining({
        code: "DEPENDENCY_FAILED",
        details: { taskId: "b", dependency: "a", state },
      }),
    );
    kit.submit([spec("b", { dependsOn: ["a"], onDependencyFailure: "run" })]);
    expect(kit.claimed(1, 2)).toEqual(["b"]);
  });

  it.each([
    ["completed", completed],
    ["failed", failed],
  ])("of which one that has %s was purged refuse the task, unless it is to run all the same", (_, end) => {
    const kit = ended("a", end);
    kit.core.forget(kit.core.leaving(2, 10));
    expect(() => kit.submit([spec("b", { dependsOn: ["a"] })])).toThrow(
      expect.objectContaining({
        code: "DEPENDENCY_FAILED",
        details: { taskId: "b", dependency: "a", state: "purged" },
      }),
    );
    expect(kit.core.has("b")).toBe(false);
    kit.submit([spec("b", { dependsOn: ["a"], onDependencyFailure: "run" })]);
    expect(kit.status("b").blockedBy).toEqual([]);
    expect(kit.claimed(1, 2)).toEqual(["b"]);
  });

  it("whose id was given again are the new task's", () => {
    const kit = ended("a", failed);
    kit.core.forget(kit.core.leaving(2, 10));
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })], 3);
    expect(kit.status("b").blockedBy).toEqual(["a"]);
  });

  it("that were purged are remembered for so many later ones, and then unknown", () => {
    const kit = new CoreKit({ limits: { keptTasks: 0, departedIds: 2 } });
    const purge = (taskId: string): void => {
      kit.submit([spec(taskId)]);
      kit.core.cancel([taskId], "", 1);
      kit.core.forget(kit.core.leaving(1, 10));
    };
    for (const taskId of ["a", "b", "a", "c"]) purge(taskId);
    const refusal = (taskId: string): void => void kit.submit([spec("w", { dependsOn: [taskId] })], 1);
    expect(() => refusal("b")).toThrow(codeOf("UNKNOWN_DEPENDENCY"));
    for (const taskId of ["a", "c"]) expect(() => refusal(taskId)).toThrow(codeOf("DEPENDENCY_FAILED"));
  });

  it("that were never accepted are unknown, also when a submit of them was taken back", () => {
    const kit = new CoreKit();
    kit.core.undo(kit.submit([spec("a")]).rows);
    expect(() => kit.submit([spec("b", { dependsOn: ["a"] })])).toThrow(codeOf("UNKNOWN_DEPENDENCY"));
  });

  it("are bounded in how many wait for one task, those of the same submit counted", () => {
    const kit = new CoreKit({ limits: { waiters: 2 } });
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    const two = [spec("c", { dependsOn: ["a"] }), spec("d", { dependsOn: ["a"] })];
    expect(() => kit.submit(two)).toThrow(codeOf("INVALID_ARGUMENT"));
    expect(kit.core.has("c")).toBe(false);
    kit.core.cancel(["b"], "", 1);
    kit.submit(two);
    expect(() =>
      kit.submit([spec("x"), ...[1, 2, 3].map((n) => spec(`y${n}`, { dependsOn: ["x"] }))]),
    ).toThrow(codeOf("INVALID_ARGUMENT"));
  });
});

describe("a retry", () => {
  it("is a new task with the same work that names its origin, which names it and stays as it was", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a", { priority: 4, tags: ["x"], deadlineMs: 99, group: "g", idempotencyKey: "k", timeoutMs: 5 }),
    ]);
    kit.claimOne();
    kit.settle("a", failed, 1);
    expect(kit.status("a")).toMatchObject({ deadLetter: true, successor: null });
    const { task, retries, rows } = kit.retry("a", 2, { attempts: 3 });
    expect({ taskId: task.taskId, retries }).toEqual({ taskId: "a-retry-1", retries: 1 });
    expect(rows.map((row) => [row.task.taskId, row.before === null])).toEqual([
      ["a-retry-1", true],
      ["a", false],
    ]);
    expect(kit.status("a")).toMatchObject({
      state: "failed",
      endedAtMs: 1,
      deadLetter: false,
      successor: "a-retry-1",
    });
    expect(kit.status("a-retry-1")).toMatchObject({
      ...{ state: "queued", origin: "a", priority: 4, tags: ["x"], deadlineMs: 99, group: null },
      ...{ attempt: 0, attempts: 3, submittedAtMs: 2, deadLetter: false },
    });
    expect(task.terms).toMatchObject({ timeoutMs: 5, attempts: 3 });
    expect(kit.claimed(1, 2)).toEqual(["a-retry-1"]);
  });

  it("numbers on from the first task, whichever of its retries is retried", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    for (const [from, to] of [
      ["a", "a-retry-1"],
      ["a-retry-1", "a-retry-2"],
      ["a", "a-retry-3"],
    ] as const) {
      if (kit.status(from).state === "queued") {
        kit.claimOne();
        kit.settle(from, failed, 1);
      }
      expect(kit.retry(from, 2).task.taskId).toBe(to);
    }
    expect(kit.status("a").successor).toBe("a-retry-3");
    expect(kit.status("a-retry-2").origin).toBe("a-retry-1");
  });

  it("is refused before the end and after a success, and then nothing has changed", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    expect(() => kit.retry("a")).toThrow(codeOf("TASK_NOT_FINISHED"));
    kit.claimOne();
    expect(() => kit.retry("a")).toThrow(codeOf("TASK_NOT_FINISHED"));
    kit.settle("a", completed, 1);
    expect(() => kit.retry("a")).toThrow(codeOf("TASK_ENDED"));
    expect(kit.core.marks.sequence).toBe(1);
  });

  it("is refused when as many are queued as its quota allows, and then nothing has changed", () => {
    const kit = new CoreKit({ quotas: [{ scope: "tag", name: "x", queued: 1 }] });
    kit.submit([spec("a", { tags: ["x"] })]);
    kit.claimOne();
    kit.settle("a", failed, 1);
    kit.submit([spec("b", { tags: ["x"] })], 1);
    const { marks } = kit.core;
    expect(() => kit.retry("a", 2)).toThrow(
      expect.objectContaining({ code: "QUOTA_EXCEEDED", details: { scope: "tag", name: "x", limit: 1 } }),
    );
    expect(kit.core.marks).toEqual(marks);
    expect(kit.status("a")).toMatchObject({ deadLetter: true, successor: null });
    kit.claimOne(2);
    expect(kit.retry("a", 2).task.taskId).toBe("a-retry-1");
  });

  it("of several is accepted as a whole, numbered on, or refused as a whole", () => {
    const kit = new CoreKit({ quotas: [{ scope: "action", name: "echo", queued: 2 }] });
    const dead = (taskId: string): void => {
      kit.settle(taskId, failed, 1);
    };
    kit.submit([spec("a"), spec("b")]);
    kit.claim();
    for (const taskId of ["a", "b"]) dead(taskId);
    kit.submit([spec("c")], 1);
    kit.claim();
    dead("c");
    expect(() => kit.retryAll(["a", "b", "c"], 2)).toThrow(codeOf("QUOTA_EXCEEDED"));
    expect(kit.core.counts).toMatchObject({ queued: 0, failed: 3 });
    expect(kit.core.seats.deadLetters).toBe(3);
    expect(kit.core.has("a-retry-1")).toBe(false);
    const { made, rows } = kit.retryAll(["a", "b"], 2);
    expect(made.map(({ task }) => task.taskId)).toEqual(["a-retry-1", "b-retry-1"]);
    expect(rows).toHaveLength(4);
    expect(kit.claimed(9, 2)).toEqual(["a-retry-1", "b-retry-1"]);
  });

  it("has an id as long as any other may be, or is refused", () => {
    const kit = new CoreKit();
    const [fits, tooLong] = ["f".repeat(504), "t".repeat(505)];
    kit.submit([spec(fits), spec(tooLong)]);
    kit.claim();
    for (const taskId of [fits, tooLong]) kit.settle(taskId, failed, 1);
    expect(kit.retry(fits, 2).task.taskId).toHaveLength(512);
    expect(() => kit.retry(tooLong, 2)).toThrow(codeOf("INVALID_ARGUMENT"));
    expect(kit.status(tooLong)).toMatchObject({ deadLetter: true, successor: null });
  });

  it("of a task whose dependency failed waits for nobody", () => {
    const kit = new CoreKit();
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    kit.core.cancel(["a"], "", 1);
    kit.retry("b", 2);
    expect(kit.claimed(9, 2)).toEqual(["b-retry-1"]);
  });

  it("that is taken back leaves a dead letter", () => {
    const kit = ended("a", failed);
    expect(kit.core.seats.deadLetters).toBe(1);
    const { rows } = kit.retry("a", 2);
    expect(kit.core.seats.deadLetters).toBe(0);
    kit.core.undo(rows);
    expect(kit.core.seats.deadLetters).toBe(1);
    expect(kit.status("a")).toMatchObject({ deadLetter: true, successor: null });
    expect(boom.code).toBe("HANDLER_FAILED");
  });
});
