import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { packValue } from "../../src/codec/index.ts";
import { HandlerPool, type PoolOptions, type RunRequest } from "../../src/compute/pool.ts";
import type { RunOutcome } from "../../src/compute/run-outcome.ts";
import { Slots } from "../../src/compute/slots.ts";
import type {
  AttemptRequest,
  DescribeRequest,
  ThreadMessage,
  ThreadReply,
} from "../../src/compute/thread-message.ts";
import type { Log } from "../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

/** One attempt on a thread that the test plays. */
interface Played {
  readonly request: AttemptRequest | DescribeRequest;
  reply(reply: ThreadReply): void;
  crash(error: unknown): void;
}

interface Kit {
  readonly pool: HandlerPool;
  readonly slots: Slots;
  readonly clock: ManualClock;
  readonly played: Played[];
  readonly terminated: number[];
  readonly events: unknown[];
  recoveries: number;
  closes: number;
  send(message: ThreadMessage): void;
  /** Takes the newest attempt up, up to the call of its handler. */
  begin(threadId?: number): Played;
}

const COMPLETED: ThreadReply = { kind: "completed", output: packValue(1), progress: null };
const GRACE_MS = 500;

function openKit(options: Partial<PoolOptions> = {}): Kit {
  const clock = manualClock(5_000);
  const played: Played[] = [];
  const terminated: number[] = [];
  const events: unknown[] = [];
  let slots = Slots.allocate(1);
  let send: (message: ThreadMessage) => void = () => {};
  const record =
    (level: string) =>
    (...args: unknown[]): void =>
      void events.push([level, ...args]);
  const log: Log = {
    debug: record("debug"),
    info: record("info"),
    warn: record("warn"),
    error: record("error"),
    child: () => log,
  };
  const kit: Kit = {
    clock,
    played,
    terminated,
    events,
    recoveries: 0,
    closes: 0,
    get slots() {
      return slots;
    },
    send: (message) => send(message),
    begin(threadId = 7) {
      const attempt = played.at(-1);
      if (attempt === undefined) throw new Error("nothing was given to a thread");
      const { slot, token } = attempt.request;
      slots.enter(slot, token, threadId, clock.now());
      slots.begin(slot, token, clock.now());
      return attempt;
    },
    pool: new HandlerPool(
      {
        modules: ["file:///a.ts", "file:///b.ts"],
        threads: 1,
        heapMb: 64,
        graceMs: GRACE_MS,
        blobsDirectory: null,
        roots: [],
        allowedHosts: [],
        clock,
        log,
        loadMs: 2_000,
        onProgress: (...args) => void events.push(["progress", ...args]),
        ...options,
      },
      (given) => {
        slots = new Slots(given.setup.slots);
        send = given.onMessage;
        return {
          run(request) {
            const { promise, resolve, reject } = Promise.withResolvers<ThreadReply>();
            played.push({ request, reply: resolve, crash: reject });
            return promise;
          },
          share: () => ({ post: () => {}, ended: new Promise(() => {}) }),
          terminate(threadId) {
            terminated.push(threadId);
            played.at(-1)?.crash(new Error("worker exited with code: 1"));
          },
          isTerminated: (threadId) => terminated.includes(threadId),
          recover: () => void kit.recoveries++,
          close: () => {
            kit.closes++;
            for (const each of played) each.crash(new Error("Terminating worker thread"));
            return Promise.resolve();
          },
        };
      },
    ),
  };
  return kit;
}

const run = (pool: HandlerPool, more: Partial<RunRequest> = {}): Promise<RunOutcome> =>
  pool.run({
    taskId: "t1",
    token: 1,
    action: "work",
    input: packValue(1),
    timeoutMs: 1_000,
    attempt: 1,
    place: "thread",
    ...more,
  });
const failed = (code: string): object => ({ kind: "failed", error: { code } });

describe("runs", () => {
  it("wait for a thread in their order, and count as running until they end", async () => {
    const { pool, played } = openKit();
    const ended: string[] = [];
    const runs = ["a", "b", "c"].map(async (taskId) => {
      await run(pool, { taskId });
      ended.push(taskId);
    });
    expect(pool.capacity).toEqual({ threads: 1, shared: LIMITS.compute.sharedPerThread });
    expect([pool.running, played.length]).toEqual([3, 1]);
    for (const count of [1, 2, 3]) {
      played.at(-1)?.reply(COMPLETED);
      await microtasksDrained();
      expect(pool.running).toBe(3 - count);
    }
    await Promise.all(runs);
    expect(ended).toEqual(["a", "b", "c"]);
  });

  it(`are refused when ${LIMITS.compute.waitingRuns} wait already`, async () => {
    const { pool } = openKit();
    for (let index = 0; index <= LIMITS.compute.waitingRuns; index++) void run(pool, { taskId: `t${index}` });
    expect(await run(pool, { taskId: "one too many" })).toMatchObject({ kind: "interrupted" });
    expect(pool.running).toBe(LIMITS.compute.waitingRuns + 1);
  });

  it("of one task never overlap", () => {
    const { pool } = openKit();
    void run(pool);
    expect(() => run(pool)).toThrow(TypeError);
  });

  it("send only their own bytes across, not the buffer those are a part of", () => {
    const { pool, played } = openKit({ threads: 2 });
    void run(pool, { input: new Uint8Array(1_000).subarray(10, 20) });
    void run(pool, { taskId: "t2", input: new Uint8Array(new SharedArrayBuffer(8)) });
    expect(played.map(({ request }) => request.kind === "run" && request.input.buffer.byteLength)).toEqual([
      10, 8,
    ]);
    expect(
      played.every(({ request }) => request.kind === "run" && request.input.buffer instanceof ArrayBuffer),
    ).toBe(true);
  });

  it("report the progress that came with their end, and none that comes after it", async () => {
    const { pool, events, send, begin } = openKit();
    const outcome = run(pool, { token: 4 });
    const by = { taskId: "t1", token: 4, attempt: 1 };
    const before = { ...by, token: 3 };
    send({ kind: "mcplusplus.progress", by, fraction: 0.5, message: "half" });
    send({ kind: "mcplusplus.progress", by: before, fraction: 0.1, message: "from the attempt before" });
    begin().reply({ ...COMPLETED, progress: { fraction: 1, message: "all" } });
    await outcome;
    send({ kind: "mcplusplus.progress", by, fraction: 0.6, message: "late" });
    expect(events).toEqual([
      ["progress", by, 0.5, "half"],
      ["progress", by, 1, "all"],
    ]);
  });

  it("log to the pool's log with their task, or to whoever asked for it with their attempt", () => {
    const by = { taskId: "t1", token: 7, attempt: 2 };
    const record = { kind: "mcplusplus.log", level: "info", message: "line", fields: { a: 1 } } as const;
    const own = openKit();
    own.send({ ...record, by });
    own.send({ ...record, by: null });
    expect(own.events).toEqual([
      ["info", "line", { a: 1, task: "t1" }],
      ["info", "line", { a: 1 }],
    ]);
    const heard: unknown[] = [];
    const other = openKit({ onLog: (...args) => void heard.push(args) });
    other.send({ ...record, by });
    expect([heard, other.events]).toEqual([[[by, "info", "line", { a: 1 }]], []]);
  });
});

describe("cancel", () => {
  it("ends a run at once that waits for a thread, and the thread never hears of it", async () => {
    const { pool, played, begin } = openKit();
    const first = run(pool, { taskId: "a" });
    const second = run(pool, { taskId: "b" });
    expect(pool.cancel("b", { graceMs: 0 })).toBe(true);
    expect(await second).toMatchObject({ kind: "cancelled", error: { code: "CANCELLED" } });
    begin().reply(COMPLETED);
    await first;
    expect(played).toHaveLength(1);
  });

  it("ends a run at once that is on its way to a thread, which finds the word when it takes it up", async () => {
    const { pool, slots, played, terminated, clock } = openKit();
    const outcome = run(pool);
    expect(pool.cancel("t1", { graceMs: 100 })).toBe(true);
    expect(await outcome).toMatchObject({ kind: "cancelled" });
    expect(slots.enter(0, 1, 7, 0)).toBe(false);
    played[0]?.reply({ kind: "stopped" });
    await clock.advance(10_000);
    expect(terminated).toEqual([]);
    await microtasksDrained();
    void run(pool);
    expect(played).toHaveLength(2);
  });

  it("ends a run that obeys without harm to its thread, whatever its handler returned", async () => {
    const { pool, slots, clock, terminated, begin } = openKit();
    const outcome = run(pool);
    const attempt = begin();
    expect(pool.cancel("t1", { graceMs: 100 })).toBe(true);
    expect(slots.phase(0, 1)).toBe("cancelled");
    attempt.reply({ kind: "stopped" });
    expect(await outcome).toEqual({
      kind: "cancelled",
      error: { code: "CANCELLED", message: 'task "t1" was cancelled', details: { what: 'task "t1"' } },
    });
    await clock.advance(1_000);
    expect(terminated).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it("terminates the thread of a run that does not obey, when the grace is over and not before", async () => {
    const { pool, clock, terminated, begin } = openKit();
    const outcome = run(pool);
    begin(42);
    pool.cancel("t1", { graceMs: 100 });
    await clock.advance(99);
    expect(terminated).toEqual([]);
    await clock.advance(1);
    expect(terminated).toEqual([42]);
    expect(await outcome).toMatchObject({
      kind: "cancelled",
      error: { details: { reason: "it did not stop within the grace, so its thread was terminated" } },
    });
  });

  it("spares a thread that is free again though its reply is still on the way", async () => {
    const { pool, slots, clock, terminated, begin } = openKit();
    const outcome = run(pool);
    const attempt = begin(42);
    pool.cancel("t1", { graceMs: 100 });
    slots.leave(0, 1);
    await clock.advance(100);
    expect(terminated).toEqual([]);
    attempt.reply({ kind: "stopped" });
    expect(await outcome).toMatchObject({ kind: "cancelled" });
  });

  it("with a shorter grace overtakes an earlier one, and a longer one changes nothing", async () => {
    const { pool, clock, terminated, begin } = openKit();
    void run(pool);
    begin(42);
    expect(pool.cancel("t1", { graceMs: 1_000 })).toBe(true);
    expect(pool.cancel("t1", { graceMs: 5_000 })).toBe(true);
    await clock.advance(10);
    expect(pool.cancel("t1", { graceMs: 0 })).toBe(true);
    expect(terminated).toEqual([42]);
  });

  it("is refused for a run that is not there or has ended", async () => {
    const { pool, slots, begin } = openKit();
    expect(pool.cancel("t1", { graceMs: 0 })).toBe(false);
    const outcome = run(pool);
    const attempt = begin();
    slots.end(0, 1);
    expect(pool.cancel("t1", { graceMs: 0 })).toBe(false);
    attempt.reply(COMPLETED);
    expect(await outcome).toMatchObject({ kind: "completed" });
  });
});

describe("a time-out", () => {
  it("counts from the call of the handler, not while the run is on its way or its modules are imported", async () => {
    const { pool, slots, clock, begin } = openKit();
    const outcome = run(pool, { timeoutMs: 1_000 });
    await clock.advance(3_000);
    slots.enter(0, 1, 7, clock.now());
    await clock.advance(1_500);
    slots.begin(0, 1, clock.now());
    await clock.advance(999);
    expect(slots.phase(0, 1)).toBe("running");
    await clock.advance(1);
    expect(slots.phase(0, 1)).toBe("timedOut");
    begin().reply({ kind: "stopped" });
    expect(await outcome).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_TIMEOUT", details: { action: "work", timeoutMs: 1_000 } },
    });
  });

  it("gives the handler the pool's grace before its thread is terminated", async () => {
    const { pool, clock, terminated, begin } = openKit();
    const outcome = run(pool, { timeoutMs: 1_000 });
    begin(42);
    await clock.advance(1_000 + GRACE_MS - 1);
    expect(terminated).toEqual([]);
    await clock.advance(1);
    expect(terminated).toEqual([42]);
    expect(await outcome).toMatchObject(failed("HANDLER_TIMEOUT"));
  });

  it("that is infinite never comes", async () => {
    const { pool, slots, clock, begin } = openKit();
    void run(pool, { timeoutMs: Infinity });
    begin();
    await clock.advance(1e9);
    expect([slots.phase(0, 1), clock.pending]).toEqual(["running", 0]);
  });

  it("that finds the handler ended changes nothing", async () => {
    const { pool, slots, clock, begin } = openKit();
    const outcome = run(pool, { timeoutMs: 1_000 });
    const attempt = begin();
    slots.end(0, 1);
    await clock.advance(1_000);
    attempt.reply(COMPLETED);
    expect(await outcome).toMatchObject({ kind: "completed" });
  });

  it("of the import ends the thread at once and names the module", async () => {
    const { pool, slots, clock, terminated } = openKit();
    const outcome = run(pool);
    slots.enter(0, 1, 42, clock.now());
    slots.loadModule(0, 1);
    await clock.advance(2_000);
    expect(terminated).toEqual([42]);
    expect(await outcome).toMatchObject({
      error: {
        code: "MODULE_INVALID",
        details: { module: "file:///b.ts", why: "its import did not end within 2 s" },
      },
    });
  });

  it("of the way to a thread interrupts the run and asks for new threads", async () => {
    const kit = openKit();
    const outcome = run(kit.pool);
    await kit.clock.advance(30_000);
    expect(await outcome).toEqual({ kind: "interrupted", why: "no thread took it up within 30 s" });
    expect(kit.recoveries).toBe(1);
  });
});

describe("the end of a thread under a run", () => {
  const outOfMemory = Object.assign(new Error("heap"), { code: "ERR_WORKER_OUT_OF_MEMORY" });

  it.each([
    [
      "an exit",
      new Error("worker exited with code: 0"),
      { code: "HANDLER_EXITED", details: { action: "work", exitCode: 0 } },
    ],
    [
      "out of memory",
      outOfMemory,
      { code: "HANDLER_OUT_OF_MEMORY", details: { action: "work", limitMb: 64 } },
    ],
    [
      "a late throw",
      new RangeError("late"),
      { code: "HANDLER_FAILED", cause: { details: { name: "RangeError" } } },
    ],
    ["a late throw of no error", "late", { code: "HANDLER_FAILED" }],
  ])("by the handler is its failure: %s", async (_what, error, expected) => {
    const { pool, begin } = openKit();
    const outcome = run(pool);
    begin().crash(error);
    expect(await outcome).toMatchObject({ kind: "failed", error: expected });
  });

  it("by what an earlier handler left running is an interruption", async () => {
    const { pool, slots, begin } = openKit();
    const outcome = run(pool);
    const attempt = begin();
    slots.blameLeftover(0);
    attempt.crash(new Error("late"));
    expect(await outcome).toMatchObject({
      kind: "interrupted",
      why: expect.stringContaining("late") as string,
    });
  });

  it("that the pool was terminating because of another attempt is an interruption", async () => {
    const { pool, clock, begin } = openKit();
    const first = run(pool);
    begin(42);
    pool.cancel("t1", { graceMs: 1 });
    await clock.advance(1);
    await first;
    const second = run(pool, { taskId: "t2", token: 2 });
    begin(42).crash(new Error("worker exited with code: 1"));
    expect(await second).toMatchObject({ kind: "interrupted" });
  });

  it("before the handler was called, or after it had ended, is an interruption", async () => {
    const { pool, slots, played, begin } = openKit();
    const before = run(pool);
    played[0]?.crash(outOfMemory);
    expect(await before).toMatchObject({ kind: "interrupted" });
    await microtasksDrained();
    const after = run(pool);
    const attempt = begin();
    slots.end(0, 1);
    attempt.crash(new Error("worker exited with code: 1"));
    expect(await after).toMatchObject({ kind: "interrupted" });
  });

  it("while a module is imported is that module's fault", async () => {
    const { pool, slots, played } = openKit();
    const outcome = run(pool);
    slots.enter(0, 1, 7, 0);
    slots.loadModule(0, 0);
    played[0]?.crash(new Error("worker exited with code: 3"));
    expect(await outcome).toMatchObject({
      error: {
        code: "MODULE_INVALID",
        details: { module: "file:///a.ts", why: "importing it ended the thread: exit code 3" },
      },
    });
  });

  it("frees its slot for the next run", async () => {
    const { pool, played, begin } = openKit();
    const first = run(pool, { taskId: "a" });
    const second = run(pool, { taskId: "b", token: 2 });
    begin().crash(new Error("worker exited with code: 3"));
    await first;
    await microtasksDrained();
    expect(played).toHaveLength(2);
    begin().reply(COMPLETED);
    expect(await second).toMatchObject({ kind: "completed" });
  });

  it("that gives a run back unasked is an interruption", async () => {
    const { pool, begin } = openKit();
    const outcome = run(pool);
    begin().reply({ kind: "stopped" });
    expect(await outcome).toMatchObject({ kind: "interrupted" });
  });
});

describe("the description of the handlers", () => {
  const handlers = [
    {
      name: "a",
      description: "",
      module: "file:///a.ts",
      timeoutMs: null,
      isolation: "thread",
      moduleSha256: "00",
    } as const,
  ];

  it("is asked of a thread once, and answers everybody from it", async () => {
    const { pool, played } = openKit();
    const both = [pool.describe(), pool.describe()];
    played[0]?.reply({ kind: "described", handlers });
    expect(await Promise.all(both)).toEqual([handlers, handlers]);
    expect(await pool.describe()).toEqual(handlers);
    expect(played).toHaveLength(1);
  });

  it("rejects with what is wrong, and is asked for again the next time", async () => {
    const { pool, slots, clock, played } = openKit();
    const first = pool.describe();
    slots.enter(0, 0, 7, clock.now());
    slots.loadModule(0, 1);
    played[0]?.crash(new Error("worker exited with code: 3"));
    await expect(first).rejects.toMatchObject({
      code: "MODULE_INVALID",
      details: { module: "file:///b.ts" },
    });
    await microtasksDrained();
    const second = pool.describe();
    played[1]?.reply({ kind: "described", handlers });
    expect(await second).toEqual(handlers);
  });

  it("rejects with UNAVAILABLE when no thread can say", async () => {
    const { pool, played } = openKit();
    const described = pool.describe();
    played[0]?.crash(new Error("heap"));
    await expect(described).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("takes its turn among the runs", async () => {
    const { pool, played, begin } = openKit();
    void run(pool);
    const described = pool.describe();
    expect(played).toHaveLength(1);
    begin().reply(COMPLETED);
    await microtasksDrained();
    played[1]?.reply({ kind: "described", handlers });
    expect(await described).toEqual(handlers);
  });
});

describe("close", () => {
  it("interrupts what waits at once and what runs after the grace, then closes the threads", async () => {
    const kit = openKit();
    const { pool, clock, slots, terminated } = kit;
    const first = run(pool, { taskId: "a" });
    kit.begin(42);
    const second = run(pool, { taskId: "b" });
    const described = pool.describe();
    const closed = pool.close({ graceMs: 100 });
    expect(await second).toEqual({ kind: "interrupted", why: "the pool was closed" });
    await expect(described).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(slots.phase(0, 1)).toBe("cancelled");
    await clock.advance(100);
    expect(terminated).toEqual([42]);
    expect(await first).toEqual({ kind: "interrupted", why: "the pool was closed" });
    await closed;
    expect([kit.closes, pool.running]).toEqual([1, 0]);
  });

  it("does not wait for a thread that has not started", async () => {
    const kit = openKit();
    const outcome = run(kit.pool);
    await kit.pool.close({ graceMs: 100 });
    expect(await outcome).toMatchObject({ kind: "interrupted" });
    expect(kit.closes).toBe(1);
  });

  it("leaves nothing to do, and may be called twice", async () => {
    const kit = openKit();
    await Promise.all([kit.pool.close({ graceMs: 0 }), kit.pool.close({ graceMs: 0 })]);
    expect(kit.closes).toBe(1);
    expect(await run(kit.pool)).toEqual({ kind: "interrupted", why: "the pool was closed" });
    await expect(kit.pool.describe()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(false);
  });
});
