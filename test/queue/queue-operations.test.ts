import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import type { TaskLogLine } from "../../src/queue/queue.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import {
  completed,
  failedWith,
  openKit,
  outputOf,
  specOf,
  temporaryDirectory,
  type QueueKit,
} from "./queue-kit.ts";

const message = fakeMessage();
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe("a wait", () => {
  it("ends with the task, after the end is on disk, and at once for one that has ended", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    let told = false;
    const waiting = Promise.resolve(kit.queue.wait({ taskId: "a" }, message));
    void waiting.then(() => (told = true));
    await kit.turns();
    expect(told).toBe(false);
    await kit.end("a", completed("x"));
    expect(outputOf(await waiting)).toBe("x");
    expect(await kit.answer(kit.queue.wait({ taskId: "a" }, message))).toMatchObject({ state: "completed" });
  });

  it("whose caller gives up ends with its reason, and the task goes on", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    const caller = new AbortController();
    const waiting = Promise.resolve(kit.queue.wait({ taskId: "a" }, fakeMessage({ signal: caller.signal })));
    waiting.catch(() => undefined);
    await kit.turns();
    const reason = new Error("no more patience");
    caller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await kit.end("a");
    expect(await kit.status("a")).toMatchObject({ state: "completed" });
  });
});

describe("a pause", () => {
  it("lets what runs finish and starts nothing, until the queue is resumed", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    const paused = await kit.answer(kit.queue.pause({ reason: "a repair" }, message));
    expect(paused).toMatchObject({ queued: 1, running: 1 });
    await kit.end("a");
    expect(kit.pool.runningIds).toEqual([]);
    const { blockers } = await kit.answer(kit.queue.explain({ taskId: "b" }, message));
    expect(blockers).toMatchObject([{ cause: "paused", reason: "a repair" }]);
    await kit.answer(kit.queue.resume(undefined, message));
    expect(kit.pool.runningIds).toEqual(["b"]);
  });

  it("survives a restart, and says since when", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    const { sinceMs } = await first.answer(first.queue.pause({ reason: "" }, message));
    await first.submit({ taskId: "a" });
    first.actor.crash();
    const second = await openKit({ directory, clock: first.clock });
    expect(await second.status("a")).toMatchObject({ state: "queued" });
    const stats = await second.answer(second.queue.stats(undefined, message));
    expect(stats.paused).toEqual({ sinceMs, reason: "" });
  });

  it("that cannot be written has not happened", async () => {
    const kit = await openKit();
    kit.disk.room = 0;
    await expect(kit.answer(kit.queue.pause({ reason: "" }, message))).rejects.toEqual(code("STORE_FULL"));
    kit.disk.room = Infinity;
    await kit.submit({ taskId: "a" });
    expect(kit.pool.runningIds).toEqual(["a"]);
  });

  it("that cannot be written holds nothing up that became due meanwhile", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", delayMs: 10 });
    kit.disk.room = 0;
    const paused = Promise.resolve(kit.queue.pause({ reason: "" }, message));
    paused.catch(() => undefined);
    await kit.clock.advance(10);
    kit.scheduler.schedule(() => (kit.disk.room = Infinity));
    await expect(kit.answer(paused)).rejects.toEqual(code("STORE_FULL"));
    expect(kit.pool.runningIds).toEqual(["a"]);
  });
});

describe("a quota", () => {
  const held = { scope: "action", name: "echo", concurrency: 0 } as const;
  const quotas = async (kit: QueueKit): Promise<unknown> =>
    (await kit.answer(kit.queue.quotas(undefined, message))).quotas;

  it("that cannot be written was never set, and holds nothing up that became due meanwhile", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", delayMs: 10 });
    kit.disk.room = 0;
    const set = Promise.resolve(kit.queue.setQuota({ quota: held }, message));
    set.catch(() => undefined);
    await kit.clock.advance(10);
    kit.scheduler.schedule(() => (kit.disk.room = Infinity));
    await expect(kit.answer(set)).rejects.toEqual(code("STORE_FULL"));
    expect(kit.pool.runningIds).toEqual(["a"]);
    expect(await quotas(kit)).toEqual([]);
  });

  it("whose removal cannot be written still holds", async () => {
    const kit = await openKit({ init: { quotas: [held] } });
    await kit.submit({ taskId: "a" });
    kit.disk.room = 0;
    const { scope, name } = held;
    await expect(kit.answer(kit.queue.removeQuota({ scope, name }, message))).rejects.toEqual(
      code("STORE_FULL"),
    );
    kit.disk.room = Infinity;
    expect(await quotas(kit)).toEqual([{ ...held, running: 0, waiting: 1 }]);
    expect(kit.poolOpened).toBe(false);
    expect(await kit.answer(kit.queue.removeQuota({ scope, name }, message))).toBe(true);
    expect(await kit.answer(kit.queue.removeQuota({ scope, name }, message))).toBe(false);
    expect(kit.pool.runningIds).toEqual(["a"]);
  });

  it("is told of when it is on disk, and not before", async () => {
    const kit = await openKit();
    kit.disk.room = 0;
    const set = Promise.resolve(kit.queue.setQuota({ quota: held }, message));
    set.catch(() => undefined);
    expect(await quotas(kit)).toEqual([]);
    await expect(set).rejects.toEqual(code("STORE_FULL"));
  });
});

describe("a delay", () => {
  it("holds a task until its time, also through a restart", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a", delayMs: 1_000 });
    await first.clock.advance(400);
    first.actor.crash();
    const second = await openKit({ directory, clock: first.clock });
    await second.clock.advance(599);
    await second.turns();
    expect(await second.status("a")).toMatchObject({ state: "queued" });
    await second.clock.advance(1);
    await second.turns();
    expect(second.pool.runningIds).toEqual(["a"]);
  });

  it("between attempts follows the backoff", async () => {
    const kit = await openKit();
    await kit.submit({
      taskId: "a",
      attempts: 3,
      backoff: { shape: "exponential", delayMs: 100, factor: 3 },
    });
    await kit.end("a", failedWith("first"));
    expect(kit.pool.runningIds).toEqual([]);
    await kit.clock.advance(100);
    await kit.turns();
    await kit.end("a", failedWith("second"));
    await kit.clock.advance(299);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual([]);
    await kit.clock.advance(1);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual(["a"]);
  });
});

describe("dependencies", () => {
  it("hold a task until they have completed, also through a restart", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" }, { taskId: "b", dependsOn: ["a"] });
    first.actor.crash();
    const second = await openKit({ directory });
    expect(await second.answer(second.queue.status({ taskId: "b" }, message))).toMatchObject({
      state: "queued",
      blockedBy: ["a"],
    });
    await second.end("a");
    expect(second.pool.runningIds).toEqual(["b"]);
  });

  it("that fail cancel whoever waits, in the same transaction", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b", dependsOn: ["a"] }, { taskId: "c", dependsOn: ["b"] });
    const before = kit.disk.commits;
    await kit.end("a", failedWith("no"));
    expect(kit.disk.commits).toBe(before + 1);
    expect(kit.settled()).toMatchObject([
      { taskId: "a", state: "failed" },
      { taskId: "b", state: "cancelled", error: { code: "DEPENDENCY_FAILED", details: { dependency: "a" } } },
      { taskId: "c", state: "cancelled", error: { code: "DEPENDENCY_FAILED", details: { dependency: "b" } } },
    ]);
  });
});

describe("dead letters", () => {
  const letter = async (kit: Awaited<ReturnType<typeof openKit>>, taskId: string): Promise<void> => {
    await kit.submitAlone({ taskId, input: packValue(`work of ${taskId}`) });
    await kit.end(taskId, failedWith(`no ${taskId}`));
  };

  it("keep the cause of every attempt", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a", attempts: 2 });
    await kit.end("a", failedWith("first"));
    await kit.end("a", failedWith("second"));
    const { attempts } = await kit.answer(kit.queue.attempts({ taskId: "a" }, message));
    expect(attempts.map(({ attempt, error }) => [attempt, error?.details["text"]])).toEqual([
      [1, "first"],
      [2, "second"],
    ]);
    expect(await kit.status("a")).toMatchObject({ state: "failed", deadLetter: true });
  });

  it("are redriven as new tasks with the same work, and are no letters any more", async () => {
    const kit = await openKit();
    await letter(kit, "a");
    await letter(kit, "b");
    const redriven = await kit.answer(kit.queue.redrive({ taskIds: null, filter: {}, limit: 10 }, message));
    expect(redriven).toEqual({
      redriven: [
        { taskId: "a", newTaskId: "a-retry-1" },
        { taskId: "b", newTaskId: "b-retry-1" },
      ],
      remaining: 0,
    });
    expect(await kit.status("a")).toMatchObject({
      state: "failed",
      deadLetter: false,
      successor: "a-retry-1",
    });
    expect(await kit.status("a-retry-1")).toMatchObject({ state: "running", origin: "a" });
    const [started] = kit.pool.started.filter(({ taskId }) => taskId === "a-retry-1");
    expect(started?.input).toEqual(packValue("work of a"));
  });

  it("are redriven all or none, as a submit of as many would be, and named twice they are one", async () => {
    const kit = await openKit({ init: { quotas: [{ scope: "action", name: "echo", queued: 2 }] } });
    for (const taskId of ["a", "b", "c"]) {
      await kit.submitAlone({ taskId });
      await kit.end(taskId, failedWith("no"));
    }
    const redrive = (taskIds: string[] | null, limit: number) =>
      kit.answer(kit.queue.redrive({ taskIds, filter: {}, limit }, message));
    await expect(redrive(null, 10)).rejects.toEqual(code("QUOTA_EXCEEDED"));
    await expect(kit.status("a-retry-1")).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(await redrive(null, 1)).toMatchObject({ redriven: [{ taskId: "a" }], remaining: 2 });
    expect(await redrive(["c", "c"], 5)).toEqual({
      redriven: [{ taskId: "c", newTaskId: "c-retry-1" }],
      remaining: 0,
    });
    await expect(kit.answer(kit.queue.retry({ taskId: "b" }, message))).resolves.toMatchObject({
      taskId: "b-retry-1",
    });
    await expect(kit.submit({ taskId: "d" })).rejects.toEqual(code("QUOTA_EXCEEDED"));
  });

  it("that two redrives ask for at once are made into one new task each", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.end("a", failedWith("no"));
    const both = [1, 2].map(async () => kit.queue.redrive({ taskIds: null, filter: {}, limit: 9 }, message));
    const made = (await kit.answer(Promise.all(both))).flatMap(({ redriven }) => redriven);
    expect(made).toEqual([{ taskId: "a", newTaskId: "a-retry-1" }]);
  });

  it("are retried within the bounds of a submit", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    await kit.end("a", failedWith("no"));
    for (const change of [{ attempts: 0 }, { attempts: 101 }, { timeoutMs: 0 }, { timeoutMs: 604_800_001 }]) {
      await expect(kit.answer(kit.queue.retry({ taskId: "a", ...change }, message))).rejects.toEqual(
        code("INVALID_ARGUMENT"),
      );
    }
    await expect(kit.status("a-retry-1")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  it("are forgotten when purged, and nothing else is", async () => {
    const kit = await openKit();
    await letter(kit, "a");
    await kit.submitAlone({ taskId: "b" });
    await kit.end("b");
    expect(await kit.answer(kit.queue.purge({ taskIds: null, filter: {} }, message))).toEqual({ purged: 1 });
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(await kit.status("b")).toMatchObject({ state: "completed" });
    await expect(kit.answer(kit.queue.purge({ taskIds: ["b"], filter: {} }, message))).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
  });
});

describe("clearing", () => {
  it("cancels what is queued, forgets what has ended, and leaves what runs and what a group holds", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "old" });
    await kit.end("old");
    await kit.submitAlone({ taskId: "runs" }, { taskId: "waits" });
    await kit.submit({ taskId: "held" });
    const cleared = await kit.answer(kit.queue.clear({ states: ["queued", "completed"] }, message));
    expect(cleared).toEqual({ cleared: 2, remaining: 1 });
    expect(await kit.status("runs")).toMatchObject({ state: "running" });
    expect(await kit.status("waits")).toMatchObject({ state: "cancelled" });
    expect(await kit.status("held")).toMatchObject({ state: "queued" });
    await expect(kit.status("old")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  it.each(["running", "done"])("refuses the state %s, and takes nothing away", async (state) => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    const states = [state as "queued"];
    await expect(kit.answer(kit.queue.clear({ states }, message))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: {
        argument: "states[0]",
        got: JSON.stringify(state),
        allowed: "one of queued, completed, failed, cancelled",
      },
    });
    expect(await kit.status("a")).toMatchObject({ state: "running" });
  });
});

describe("a list of tasks", () => {
  it("is refused for a state that there is not", async () => {
    const kit = await openKit();
    const filter = { states: ["queued", "done" as "queued"] } as const;
    await expect(kit.answer(kit.queue.list({ filter, offset: 0, limit: 1 }, message))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument: "states[1]" },
    });
  });
});

describe("a priority", () => {
  it("is changed by value or by difference, within its bounds, while the task waits or runs", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "first" }, { taskId: "a" }, { taskId: "b" });
    const change = (
      to: { priority: number } | { delta: number },
    ): Promise<{ before: number; after: number }> =>
      kit.answer(kit.queue.reprioritize({ taskId: "b", to }, message));
    expect(await change({ priority: 5 })).toEqual({ before: 1, after: 5 });
    expect(await change({ delta: -2 })).toEqual({ before: 5, after: 3 });
    expect(await change({ delta: 1_999_999 })).toEqual({ before: 3, after: 1_000_000 });
    await expect(change({ priority: Number.NaN })).rejects.toEqual(code("INVALID_ARGUMENT"));
    await kit.end("first");
    expect(kit.pool.runningIds).toEqual(["b"]);
    await kit.end("b");
    await expect(change({ priority: 1 })).rejects.toEqual(code("TASK_ENDED"));
  });
});

describe("quotas", () => {
  it("that are set while the queue runs hold at once, and survive a restart", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory, init: { threads: 3 } });
    await first.answer(first.queue.setQuota({ quota: { scope: "tag", name: "t", concurrency: 1 } }, message));
    await first.submit({ taskId: "a", tags: ["t"] }, { taskId: "b", tags: ["t"] }, { taskId: "c" });
    expect(first.pool.runningIds).toEqual(["a", "c"]);
    const quotas = await first.answer(first.queue.quotas(undefined, message));
    expect(quotas).toEqual({ quotas: [{ scope: "tag", name: "t", concurrency: 1, running: 1, waiting: 1 }] });
    first.actor.crash();
    const second = await openKit({ directory, init: { threads: 3 } });
    expect(second.pool.runningIds).toEqual(["a", "c"]);
    expect(await second.answer(second.queue.removeQuota({ scope: "tag", name: "t" }, message))).toBe(true);
    await second.turns();
    expect(second.pool.runningIds).toEqual(["a", "c", "b"]);
  });

  it("of a rate let the next task start by time alone", async () => {
    const kit = await openKit({ init: { threads: 3 } });
    const quota = { scope: "action", name: "echo", perSecond: 2, burst: 1 } as const;
    await kit.answer(kit.queue.setQuota({ quota }, message));
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    expect(kit.pool.runningIds).toEqual(["a"]);
    await kit.clock.advance(500);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual(["a", "b"]);
  });
});

describe("what has left", () => {
  it("fails whoever is submitted to wait for it, also after a restart", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submitAlone({ taskId: "a" }, { taskId: "waits", dependsOn: ["a"], delayMs: 1_000 });
    await first.end("a");
    const cleared = await first.answer(first.queue.clear({ states: ["completed"] }, message));
    expect(cleared).toEqual({ cleared: 1, remaining: 0 });
    first.actor.crash();
    const second = await openKit({ directory, clock: first.clock });
    await expect(second.submit({ taskId: "b", dependsOn: ["a"] })).rejects.toMatchObject({
      code: "DEPENDENCY_FAILED",
      details: { taskId: "b", dependency: "a", state: "purged" },
    });
    // Whoever waited for it before had seen it complete.
    await second.clock.advance(1_000);
    await second.turns();
    expect(second.pool.runningIds).toEqual(["waits"]);
  });

  it.each([
    ["its id", { taskId: "a" }],
    ["its key", { taskId: "b", idempotencyKey: "k" }],
  ])("has left before a submit under %s is looked at that comes while it leaves", async (_, again) => {
    const kit = await openKit({ directory: temporaryDirectory() });
    await kit.submitAlone({ taskId: "a", idempotencyKey: "k" });
    await kit.end("a");
    const cleared = kit.queue.clear({ states: ["completed"] }, message);
    await microtasksDrained();
    const { tasks } = await kit.answer(kit.queue.submit({ tasks: [specOf(again)] }, message));
    expect(tasks).toMatchObject([{ taskId: again.taskId, replayed: false }]);
    expect(await cleared).toEqual({ cleared: 1, remaining: 0 });
    expect(kit.pool.runningIds).toEqual([again.taskId]);
  });

  it("has not left when its removal cannot be written", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.end("a");
    kit.disk.room = 0;
    await expect(kit.answer(kit.queue.clear({ states: ["completed"] }, message))).rejects.toEqual(
      code("STORE_FULL"),
    );
    kit.disk.room = Infinity;
    await kit.submit({ taskId: "b", dependsOn: ["a"] });
    expect(kit.pool.runningIds).toEqual(["b"]);
  });
});

describe("an idempotency key of a later submit", () => {
  const under = (idempotencyKey: string, taskId = "a") => [specOf({ taskId, idempotencyKey })];

  it("means the task from then on, also after a restart", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" });
    await first.answer(first.queue.submit({ tasks: under("k") }, message));
    first.actor.crash();
    const second = await openKit({ directory });
    const { tasks } = await second.answer(second.queue.submit({ tasks: under("k", "b") }, message));
    expect(tasks).toMatchObject([{ taskId: "a", replayed: true }]);
    expect(second.pool.started).toHaveLength(1);
  });

  it("that cannot be written is free", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    kit.disk.room = 0;
    await expect(kit.answer(kit.queue.submit({ tasks: under("k") }, message))).rejects.toEqual(
      code("STORE_FULL"),
    );
    kit.disk.room = Infinity;
    const { tasks } = await kit.answer(kit.queue.submit({ tasks: under("k", "b") }, message));
    expect(tasks).toMatchObject([{ taskId: "b", replayed: false }]);
  });
});

describe("logs", () => {
  const said = ({ attempt, level, message: text, fields }: TaskLogLine): unknown[] => [
    attempt,
    level,
    text,
    fields,
  ];
  const logger =
    ({ pool }: QueueKit) =>
    (attempt: number, level: "info" | "error", text: string, fields = {}): void =>
      pool.options.onLog?.({ taskId: "a", token: attempt, attempt }, level, text, fields);

  it("of a handler are kept with its attempt, those of a running one included", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", attempts: 2 });
    const log = logger(kit);
    log(1, "info", "one", { n: 1 });
    await kit.end("a", failedWith("no"));
    log(2, "error", "two");
    const page = await kit.answer(kit.queue.logs({ taskId: "a", offset: 0, limit: 10 }, message));
    expect(page.lines.map(said)).toEqual([
      [1, "info", "one", { n: 1 }],
      [2, "error", "two", {}],
    ]);
    expect(page).toMatchObject({ total: 2, dropped: 0 });
    await kit.end("a");
    const second = await kit.answer(kit.queue.logs({ taskId: "a", offset: 1, limit: 1 }, message));
    expect(second.lines.map(said)).toEqual([[2, "error", "two", {}]]);
  });

  it("that come when their attempt is over are labelled with it, while the next waits, runs, or has ended", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", attempts: 2, backoff: { delayMs: 1_000 } });
    const log = logger(kit);
    await kit.end("a", failedWith("no"));
    log(1, "info", "while it waits");
    await kit.clock.advance(1_000);
    await kit.turns();
    log(2, "info", "the second");
    log(1, "info", "while the second runs");
    await kit.end("a");
    log(1, "info", "after all");
    await kit.turns();
    const page = await kit.answer(kit.queue.logs({ taskId: "a", offset: 0, limit: 10 }, message));
    expect(page.lines.map(({ attempt, message: text }) => [attempt, text])).toEqual([
      [1, "while it waits"],
      [1, "while the second runs"],
      [2, "the second"],
      [1, "after all"],
    ]);
  });

  it("of one attempt are as many as it may log, and the line that counts the rest", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    const log = logger(kit);
    const most = LIMITS.compute.logRecords + 1;
    for (let index = 1; index <= most + 1; index++) log(1, "info", `line ${index}`);
    const page = await kit.answer(kit.queue.logs({ taskId: "a", offset: most - 1, limit: 10 }, message));
    expect(page).toMatchObject({ total: most, lines: [{ message: `line ${most}` }] });
  });
});

describe("time", () => {
  it("does not go back when the clock of the machine does", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", delayMs: 1_000 });
    kit.clock.wallOffsetMs -= 3_600_000;
    await kit.clock.advance(1_000);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual(["a"]);
  });
});
