import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import type { TaskLogLine } from "../../src/queue/queue.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { completed, failedWith, openKit, outputOf, temporaryDirectory } from "./queue-kit.ts";

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

describe("logs", () => {
  it("of a handler are kept with its attempt, those of a running one included", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", attempts: 2 });
    const { onLog } = kit.pool.options;
    onLog?.("a", "info", "one", { n: 1 });
    await kit.end("a", failedWith("no"));
    onLog?.("a", "error", "two", {});
    const page = await kit.answer(kit.queue.logs({ taskId: "a", offset: 0, limit: 10 }, message));
    const said = ({ attempt, level, message: text, fields }: TaskLogLine): unknown[] => [
      attempt,
      level,
      text,
      fields,
    ];
    expect(page.lines.map(said)).toEqual([
      [1, "info", "one", { n: 1 }],
      [2, "error", "two", {}],
    ]);
    expect(page).toMatchObject({ total: 2, dropped: 0 });
    await kit.end("a");
    const second = await kit.answer(kit.queue.logs({ taskId: "a", offset: 1, limit: 1 }, message));
    expect(second.lines.map(said)).toEqual([[2, "error", "two", {}]]);
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
