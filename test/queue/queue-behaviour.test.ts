import { describe, expect, it } from "vitest";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { BUILT_IN_ACTIONS } from "../../src/compute/built-in.protocol.ts";
import type { HandlerInfo } from "../../src/compute/index.ts";
import { fault } from "../../src/errors/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { completed, failedWith, openKit, outputOf, specOf, temporaryDirectory } from "./queue-kit.ts";

const message = fakeMessage();
const DAY_MS = 86_400_000;
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const info = (name: string, timeoutMs: number | null = null): HandlerInfo[] => [
  { name, description: "", module: "file:///tasks.js", timeoutMs, moduleSha256: "ab", isolation: "shared" },
];

/** A task "a" has ended so long ago that it is about to leave. */
async function beginRemoval(kit: Awaited<ReturnType<typeof openKit>>): Promise<void> {
  await kit.submitAlone({ taskId: "a" });
  await kit.end("a");
  await kit.clock.advance(7 * DAY_MS);
  await kit.submitAlone({ taskId: "b" });
  kit.pool.end("b", completed());
  // The end of b is committed in one turn; the removal of a begins there, and is committed in the next.
  await kit.scheduler.step();
}

describe("disk first", () => {
  it("commits a submit and its claim in one transaction when the queue is idle, and starts only after it", async () => {
    const kit = await openKit({ directory: temporaryDirectory() });
    const before = kit.disk.commits;
    let answered = false;
    const call = Promise.resolve(kit.queue.submit({ tasks: [specOf({ taskId: "a" })] }, message));
    void call.then(() => (answered = true));
    await Promise.resolve();
    expect(kit.poolOpened).toBe(false);
    expect(answered).toBe(false);
    const { tasks } = await kit.answer(call);
    expect(kit.disk.commits).toBe(before + 1);
    expect(kit.pool.started).toMatchObject([{ taskId: "a", action: "echo", token: 1, attempt: 1 }]);
    expect(kit.pool.started.map(({ input }) => unpackValue(input))).toEqual([{ n: 1 }]);
    expect(tasks).toEqual([{ taskId: "a", state: "running", replayed: false }]);
    expect(kit.events("started")).toMatchObject([{ taskId: "a", attempt: 1, group: "kit" }]);
  });

  it("commits the end of a task and the claim of the next in one transaction, and tells of both only after it", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    const before = kit.disk.commits;
    kit.pool.end("a", completed("x"));
    for (let link = 0; link < 10; link += 1) await Promise.resolve();
    expect(kit.settled()).toEqual([]);
    expect(kit.pool.runningIds).toEqual([]);
    await kit.turns();
    expect(kit.disk.commits).toBe(before + 1);
    expect(kit.settled().map(outputOf)).toEqual(["x"]);
    expect(kit.pool.runningIds).toEqual(["b"]);
  });

  it("undoes a submit whose commit fails, refuses its caller, starts nothing, and goes on when there is room", async () => {
    const kit = await openKit();
    kit.disk.room = 0;
    await expect(kit.submit({ taskId: "a" })).rejects.toEqual(code("STORE_FULL"));
    expect(kit.poolOpened).toBe(false);
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
    kit.disk.room = Infinity;
    await kit.submit({ taskId: "a" });
    expect(kit.pool.runningIds).toEqual(["a"]);
    expect(await kit.answer(kit.queue.stats(undefined, message))).toMatchObject({ running: 1, queued: 0 });
  });

  it("refuses both callers of one task whose commit fails", async () => {
    const kit = await openKit();
    kit.disk.room = 0;
    const calls = ["first", "second"].map(() => kit.submit({ taskId: "a" }));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    kit.disk.room = Infinity;
    await kit.clock.advance(100);
    await kit.turns();
    expect(kit.poolOpened).toBe(false);
  });

  it("never loses an outcome whose commit fails and never runs it again: it is written when there is room", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    kit.disk.room = 0;
    await kit.end("a", completed("precious"));
    for (const pauseMs of [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      expect(kit.settled()).toEqual([]);
      expect(await kit.status("a")).toMatchObject({ state: "running", attempt: 1 });
      // One try per pause, which doubles up to five seconds.
      expect(kit.clock.nextAtMs - kit.clock.now()).toBe(pauseMs);
      await kit.clock.advance(pauseMs);
      await kit.turns();
    }
    kit.disk.room = Infinity;
    await kit.clock.advance(5_000);
    await kit.turns();
    expect(kit.settled().map(outputOf)).toEqual(["precious"]);
    expect(kit.pool.started.map(({ taskId }) => taskId)).toEqual(["a", "b"]);
    await kit.end("b");
    expect(kit.settled()).toHaveLength(2);
  });

  it("claims again after a claim that could not be committed", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    kit.disk.room = 0;
    await kit.end("a");
    expect(kit.pool.runningIds).toEqual([]);
    kit.disk.room = Infinity;
    await kit.clock.advance(50);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual(["b"]);
  });
});

describe("asking twice", () => {
  it("returns the task as it stands, also when its handler's module is gone", async () => {
    const directory = temporaryDirectory();
    const modules = ["file:///tasks.js"];
    const first = await openKit({ directory, init: { modules }, handlers: info("fetch") });
    await first.submit({ taskId: "a", action: "fetch" });
    await first.end("a");
    await first.stop();
    const second = await openKit({ directory });
    const again = { tasks: [specOf({ taskId: "a", action: "fetch" })] };
    expect(await second.answer(second.queue.submit(again, message))).toMatchObject({
      tasks: [{ taskId: "a", state: "completed", replayed: true }],
    });
    expect(second.poolOpened).toBe(false);
  });

  it("with other work is refused, and nothing of that batch is kept", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    await expect(kit.submit({ taskId: "b" }, { taskId: "a", input: packValue(2) })).rejects.toEqual(
      code("ALREADY_EXISTS"),
    );
    await expect(kit.status("b")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  it("is refused by argument when the task is malformed, and nothing of that batch is kept", async () => {
    const kit = await openKit();
    await expect(kit.submit({ taskId: "a" }, { taskId: "b", attempts: 0 })).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });
});

describe("actions", () => {
  it("are known without a pool when they are built in, and without modules there are no others", async () => {
    const kit = await openKit({ init: { threads: 0 } });
    await kit.submit({ taskId: "a" }, { taskId: "b", action: "sleep" }, { taskId: "c", action: "fail" });
    await expect(kit.submit({ taskId: "d" }, { taskId: "e", action: "fetch" })).rejects.toMatchObject({
      code: "UNKNOWN_ACTION",
      details: { action: "fetch", known: BUILT_IN_ACTIONS },
    });
    await expect(kit.status("d")).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(kit.poolOpened).toBe(false);
  });

  it("of modules are described once and then known", async () => {
    const kit = await openKit({
      init: { modules: ["file:///tasks.js"], threads: 3 },
      handlers: info("fetch"),
    });
    await kit.submit({ taskId: "a", action: "fetch" });
    await kit.submit({ taskId: "b", action: "fetch" });
    await expect(kit.submit({ taskId: "c", action: "prune" })).rejects.toEqual(code("UNKNOWN_ACTION"));
    expect(await kit.answer(kit.queue.actions(undefined, message))).toEqual(info("fetch"));
    expect(kit.pool.describes).toBe(1);
  });

  it("of modules are not described as long as only built-in ones wait or run, also after a restart", async () => {
    const directory = temporaryDirectory();
    const init = { modules: ["file:///tasks.js"] };
    const first = await openKit({ directory, init, handlers: info("fetch") });
    await first.submit({ taskId: "a" }, { taskId: "b", delayMs: 9 }, { taskId: "c", dependsOn: ["a"] });
    expect([first.pool.runningIds, first.pool.describes]).toEqual([["a"], 0]);
    first.actor.crash();
    const second = await openKit({ directory, init, handlers: info("fetch") });
    await second.end("a");
    expect([second.pool.runningIds, second.pool.describes]).toEqual([["c"], 0]);
  });

  it.each([
    ["waits", {}],
    ["waits for a time", { delayMs: 9 }],
    ["waits for another", { dependsOn: ["a"] }],
  ])("of modules are described at opening when one of them %s", async (_, more) => {
    const directory = temporaryDirectory();
    const init = { modules: ["file:///tasks.js"] };
    const first = await openKit({ directory, init, handlers: info("fetch") });
    await first.submit({ taskId: "a", delayMs: 9 }, { taskId: "b", action: "fetch", ...more });
    first.actor.crash();
    const second = await openKit({ directory, init, handlers: info("fetch") });
    expect(second.pool.describes).toBe(1);
  });

  it("of modules are described when a task of one of them is retried", async () => {
    const directory = temporaryDirectory();
    const init = { modules: ["file:///tasks.js"] };
    const first = await openKit({ directory, init, handlers: info("fetch") });
    await first.submit({ taskId: "a", action: "fetch" });
    await first.end("a", failedWith("no"));
    await first.stop();
    const second = await openKit({ directory, init, handlers: info("fetch") });
    expect(second.poolOpened).toBe(false);
    await second.answer(second.queue.retry({ taskId: "a" }, message));
    await second.turns();
    expect(second.pool.runningIds).toEqual(["a-retry-1"]);
  });

  it("of a broken module are refused with its fault, asked for again later, and built-in ones run all the same", async () => {
    const broken = fault("MODULE_INVALID", { module: "file:///tasks.js", why: "it does not parse" });
    const kit = await openKit({ init: { modules: ["file:///tasks.js"] }, handlers: broken });
    await expect(kit.submit({ taskId: "a", action: "fetch" })).rejects.toEqual(code("MODULE_INVALID"));
    await kit.submit({ taskId: "b" });
    expect(kit.pool.runningIds).toEqual(["b"]);
    kit.pool.handlers = info("fetch");
    await kit.submit({ taskId: "a", action: "fetch" });
    await kit.end("b");
    expect(kit.pool.runningIds).toEqual(["a"]);
  });

  it("that are built in have a thread alone or share one, as each of them needs, before any thread has said so", async () => {
    const kit = await openKit({ init: { threads: 2 } });
    await kit.submit({ taskId: "a", action: "transform" }, { taskId: "b", action: "http_fetch" });
    expect(kit.pool.started).toMatchObject([
      { action: "transform", place: "thread", timeoutMs: 300_000 },
      { action: "http_fetch", place: "shared", timeoutMs: 300_000 },
    ]);
    expect(kit.pool.describes).toBe(0);
  });

  it("may run as long as the task says, else the handler, else five minutes", async () => {
    const kit = await openKit({
      init: { modules: ["file:///tasks.js"], threads: 3 },
      handlers: [...info("fetch", 7_000), ...info("prune")],
    });
    await kit.submit(
      { taskId: "a", action: "fetch", timeoutMs: 9 },
      { taskId: "b", action: "fetch" },
      { taskId: "c", action: "prune" },
    );
    const limits = kit.pool.started.map(({ taskId, timeoutMs }) => [taskId, timeoutMs]);
    expect(Object.fromEntries(limits)).toEqual({ a: 9, b: 7_000, c: 300_000 });
  });

  it("run with the pool that the queue was configured for, blobs beside the file", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory, init: { heapMb: 33, graceMs: 8, roots: ["/data"], threads: 2 } });
    await kit.submit({ taskId: "a" });
    expect(kit.pool.options).toMatchObject({
      threads: 2,
      heapMb: 33,
      graceMs: 8,
      roots: ["/data"],
      blobsDirectory: `${directory}/blobs`,
    });
    const inMemory = await openKit();
    await inMemory.submit({ taskId: "a" });
    expect(inMemory.pool.options.blobsDirectory).toBeNull();
  });
});

describe("attempts", () => {
  it("are repeated at once until they are used up, and the last error is the task's", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", attempts: 2 });
    await kit.end("a", failedWith("first"));
    expect(kit.settled()).toEqual([]);
    await kit.end("a", failedWith("second"));
    expect(kit.settled()).toMatchObject([
      { taskId: "a", state: "failed", attempt: 2, output: null, error: { details: { text: "second" } } },
    ]);
    expect(kit.pool.started.map(({ attempt, token }) => [attempt, token])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it("that are interrupted are given back five times, then the task fails and says why", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    for (let round = 1; round <= 5; round += 1) {
      await kit.end("a", { kind: "interrupted", why: "its neighbour died" });
      expect(await kit.status("a")).toMatchObject({ state: "running", attempt: 1, interruptions: round });
    }
    await kit.end("a", { kind: "interrupted", why: "its neighbour died" });
    const outcome = await kit.answer(kit.queue.outcome({ taskId: "a" }, message));
    expect(outcome).toMatchObject({ state: "failed", interruptions: 6, error: { code: "TASK_INTERRUPTED" } });
    expect(outcome.error?.cause?.message).toContain("its neighbour died");
  });

  it("whose input cannot be read are interrupted before they start", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "first" }, { taskId: "a" });
    kit.disk.readable = false;
    await kit.end("first");
    expect(await kit.answer(kit.queue.outcome({ taskId: "a" }, message))).toMatchObject({
      state: "failed",
      error: { code: "TASK_INTERRUPTED", cause: { code: "FILE_UNREADABLE" } },
    });
    expect(kit.pool.started.map(({ taskId }) => taskId)).toEqual(["first"]);
  });

  it("report progress while they run, and only then", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", group: "g" });
    const [by] = kit.pool.started;
    if (!by) throw new Error("nothing was started");
    const { onProgress } = kit.pool.options;
    onProgress(by, 0.5, "half way");
    onProgress({ ...by, taskId: "nobody" }, 0.5, "");
    onProgress({ ...by, token: by.token - 1 }, 0.9, "from the attempt before");
    expect(await kit.status("a")).toMatchObject({ progress: 0.5 });
    await kit.end("a");
    onProgress(by, 0.7, "too late");
    expect(kit.events("progressed")).toEqual([
      { taskId: "a", group: "g", progress: 0.5, message: "half way" },
    ]);
  });

  it("keep to priority, then to submission order, and to the number of threads", async () => {
    const kit = await openKit({ init: { threads: 2 } });
    await kit.submit(
      { taskId: "low", priority: -1 },
      { taskId: "a" },
      { taskId: "high", priority: 9.5 },
      { taskId: "b" },
    );
    expect(kit.pool.runningIds).toEqual(["high", "a"]);
    await kit.end("a");
    await kit.end("b");
    expect(kit.pool.started.map(({ taskId }) => taskId)).toEqual(["high", "a", "b", "low"]);
  });
});

describe("outcomes", () => {
  it("are refused before the end and for unknown tasks", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    await expect(kit.answer(kit.queue.outcome({ taskId: "a" }, message))).rejects.toMatchObject({
      code: "TASK_NOT_FINISHED",
      details: { state: "running" },
    });
    await expect(kit.answer(kit.queue.outcome({ taskId: "b" }, message))).rejects.toEqual(
      code("TASK_NOT_FOUND"),
    );
  });

  it("of a group come in submission order, page by page, ended ones with their output", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", group: "g" }, { taskId: "x" }, { taskId: "b", group: "g", priority: 7 });
    await kit.end("b", completed("of b"));
    const page = (offset: number, limit: number) =>
      kit.answer(kit.queue.group({ group: "g", offset, limit }, message));
    const { tasks, total } = await page(0, 10);
    expect(total).toBe(2);
    expect(tasks.map((task) => [task.taskId, task.state, outputOf(task)])).toEqual([
      ["a", "running", null],
      ["b", "completed", "of b"],
    ]);
    expect((await page(1, 1)).tasks.map(({ taskId }) => taskId)).toEqual(["b"]);
    expect(await kit.answer(kit.queue.group({ group: "none", offset: 0, limit: 1 }, message))).toEqual({
      tasks: [],
      total: 0,
    });
    await expect(page(0, 1_001)).rejects.toEqual(code("INVALID_ARGUMENT"));
  });

  it("of a group end their page early when they are large, and the next page goes on there", async () => {
    const kit = await openKit({ init: { threads: 3 } });
    await kit.submit(...["a", "b", "c"].map((taskId) => ({ taskId, group: "g" })));
    const halfOfPage = new Uint8Array(4_194_304 - 8);
    for (const taskId of ["a", "b", "c"]) await kit.end(taskId, completed(halfOfPage));
    const page = async (offset: number): Promise<string[]> => {
      const { tasks, total } = await kit.answer(
        kit.queue.group({ group: "g", offset, limit: 1_000 }, message),
      );
      expect(total).toBe(3);
      return tasks.map(({ taskId }) => taskId);
    };
    expect(await page(0)).toEqual(["a", "b"]);
    expect(await page(2)).toEqual(["c"]);
    await kit.submit({ taskId: "huge", group: "h" });
    await kit.end("huge", completed(new Uint8Array(9_000_000)));
    const { tasks } = await kit.answer(kit.queue.group({ group: "h", offset: 0, limit: 9 }, message));
    expect(tasks).toHaveLength(1);
  });

  it("leave after seven days, those of a group only once it is released, and then the id is free", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory });
    await kit.submitAlone({ taskId: "a" });
    await kit.submit({ taskId: "b", group: "g" });
    await kit.end("a");
    await kit.end("b");
    await kit.clock.advance(7 * DAY_MS);
    await kit.submit({ taskId: "c" });
    await kit.end("c");
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(await kit.status("b")).toMatchObject({ state: "completed" });
    const release = (): Promise<{ released: number }> =>
      kit.answer(Promise.resolve(kit.queue.release({ group: "g" }, message)));
    kit.disk.room = 0;
    await expect(release()).rejects.toEqual(code("STORE_FULL"));
    kit.disk.room = Infinity;
    expect(await release()).toEqual({ released: 1 });
    expect(await release()).toEqual({ released: 0 });
    await expect(kit.status("b")).rejects.toEqual(code("TASK_NOT_FOUND"));
    await kit.submit({ taskId: "a", input: packValue("other work") });
    expect(kit.pool.runningIds).toEqual(["a"]);
    // Sequences and tokens go on above those of the rows that are gone.
    await kit.stop();
    const next = await openKit({ directory, clock: kit.clock });
    expect(next.pool.started.map(({ token }) => token)).toEqual([5]);
  });

  it("hold back a submission under their id while they leave, and it never happens when its caller has gone by then", async () => {
    const kit = await openKit();
    await beginRemoval(kit);
    const caller = new AbortController();
    const tasks = [specOf({ taskId: "a", input: packValue("other work") })];
    const late = kit.queue.submit({ tasks }, fakeMessage({ signal: caller.signal }));
    caller.abort(fault("CANCELLED", { what: "the call" }));
    await expect(kit.answer(late)).rejects.toEqual(code("CANCELLED"));
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
    await kit.submit({ taskId: "a", input: packValue("other work") });
    expect(await kit.status("a")).toMatchObject({ state: "running" });
  });

  it("stay when their removal cannot be committed, and leave when there is room", async () => {
    const kit = await openKit();
    await beginRemoval(kit);
    kit.disk.room = 0;
    await kit.turns();
    expect(await kit.status("a")).toMatchObject({ state: "completed" });
    kit.disk.room = Infinity;
    await kit.clock.advance(50);
    await kit.turns();
    await expect(kit.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });
});

describe("cancel", () => {
  const cancel = (taskIds: string[], force = false) => ({ taskIds, reason: "no longer needed", force });

  it("ends queued tasks at once and tells running handlers, with the grace or without", async () => {
    const kit = await openKit({ init: { threads: 2 } });
    await kit.submit({ taskId: "a" }, { taskId: "b" }, { taskId: "c" });
    expect(await kit.answer(kit.queue.cancel(cancel(["a", "c"]), message))).toEqual({
      cancelled: 1,
      cancelling: 1,
    });
    expect(await kit.answer(kit.queue.cancel(cancel(["a"], true), message))).toEqual({
      cancelled: 0,
      cancelling: 1,
    });
    expect(kit.pool.cancels).toEqual([
      { taskId: "a", graceMs: 5_000 },
      { taskId: "a", graceMs: 0 },
    ]);
    expect(kit.settled()).toMatchObject([{ taskId: "c", state: "cancelled", error: { code: "CANCELLED" } }]);
    expect(await kit.status("a")).toMatchObject({ state: "cancelling" });
    await kit.end("a", { kind: "cancelled", error: fault("CANCELLED", { what: "a" }) as never });
    const outcome = await kit.answer(kit.queue.outcome({ taskId: "a" }, message));
    expect(outcome).toMatchObject({ state: "cancelled", error: { details: { reason: "no longer needed" } } });
    expect(await kit.answer(kit.queue.cancel(cancel(["a", "c"]), message))).toEqual({
      cancelled: 0,
      cancelling: 0,
    });
  });

  it("leaves a handler that completes all the same the last word", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    await kit.answer(kit.queue.cancel(cancel(["a"]), message));
    await kit.end("a", completed("done anyway"));
    const outcome = await kit.answer(kit.queue.outcome({ taskId: "a" }, message));
    expect([outcome.state, outputOf(outcome), outcome.error]).toEqual(["completed", "done anyway", null]);
  });

  it("of a task that was claimed in the same turn keeps its handler from starting", async () => {
    const kit = await openKit();
    const submitted = kit.queue.submit({ tasks: [specOf({ taskId: "a" })] }, message);
    const cancelled = kit.queue.cancel(cancel(["a"]), message);
    expect(await kit.answer(cancelled)).toEqual({ cancelled: 0, cancelling: 1 });
    await kit.answer(submitted);
    expect(kit.poolOpened).toBe(false);
    expect(await kit.status("a")).toMatchObject({ state: "cancelled" });
    expect(kit.settled()).toHaveLength(1);
  });

  it("of a task whose modules are still being loaded keeps its handler from starting", async () => {
    const directory = temporaryDirectory();
    const init = { modules: ["file:///tasks.js"] };
    const first = await openKit({ directory, init, handlers: info("fetch") });
    await first.submit({ taskId: "a", action: "fetch" });
    first.actor.crash();
    const described = Promise.withResolvers<HandlerInfo[]>();
    const second = await openKit({ directory, init, handlers: described.promise });
    expect(second.pool.runningIds).toEqual([]);
    await second.answer(second.queue.cancel(cancel(["a"]), message));
    described.resolve(info("fetch"));
    await second.turns();
    expect(second.pool.started).toEqual([]);
    expect(await second.status("a")).toMatchObject({ state: "cancelled" });
  });

  it("changes nothing when a task is unknown or the commit fails", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    await expect(kit.answer(kit.queue.cancel(cancel(["a", "nobody"]), message))).rejects.toEqual(
      code("TASK_NOT_FOUND"),
    );
    kit.disk.room = 0;
    await expect(kit.answer(kit.queue.cancel(cancel(["a", "b"]), message))).rejects.toEqual(
      code("STORE_FULL"),
    );
    kit.disk.room = Infinity;
    expect(await kit.status("a")).toMatchObject({ state: "running" });
    expect(await kit.status("b")).toMatchObject({ state: "queued" });
    expect(kit.pool.cancels).toEqual([]);
    await expect(
      kit.answer(kit.queue.cancel({ taskIds: [], reason: "r".repeat(2_001), force: false }, message)),
    ).rejects.toEqual(code("INVALID_ARGUMENT"));
  });
});

describe("what it shows", () => {
  it("counts tasks by state, commits and rows, at the durability that it has", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" }, { taskId: "c" }, { taskId: "d" });
    await kit.end("a");
    await kit.end("b", failedWith("boom"));
    await kit.answer(kit.queue.cancel({ taskIds: ["d"], reason: "", force: false }, message));
    const stats = await kit.answer(kit.queue.stats(undefined, message));
    expect(stats).toMatchObject({
      durability: "memory",
      queued: 0,
      running: 1,
      completed: 1,
      failed: 1,
      cancelled: 1,
      threads: 1,
    });
    expect(stats.commits).toBeGreaterThan(0);
    expect(stats.rows).toBeGreaterThan(4);
  });

  it("reports depth, running tasks and the age of the oldest one that waits", async () => {
    const kit = await openKit();
    expect(kit.actor.health()).toEqual({ queued: 0, running: 0, paused: false, oldestQueuedMs: null });
    await kit.submit({ taskId: "a" }, { taskId: "b" });
    await kit.clock.advance(70);
    await kit.submit({ taskId: "c" });
    expect(kit.actor.health()).toEqual({ queued: 2, running: 1, paused: false, oldestQueuedMs: 70 });
  });

  it("needs a directory unless it lives in memory", async () => {
    await expect(openKit({ init: { durability: "flushed" } })).rejects.toEqual(code("INVALID_ARGUMENT"));
  });
});
