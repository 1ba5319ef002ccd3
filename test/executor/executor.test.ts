import { describe, expect, expectTypeOf, it } from "vitest";
import { fault } from "../../src/errors/index.ts";
import { createExecutor, type ExecutionResult } from "../../src/executor/index.ts";
import { withScope, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

/** Sleeps as long as it is told, and returns that. */
const sleep = async (ms: number, scope: Scope): Promise<number> => {
  await scope.sleep(ms);
  return ms;
};

const failing = (text: string): never => {
  throw new Error(text);
};

describe("an executor", () => {
  it("gives one result for each function, in the order of the list, in whatever order they end", async () => {
    const clock = manualClock();
    const ended: number[] = [];
    const batch = createExecutor({ clock }).runBatch(
      async (ms: number, scope) => ended.push(await sleep(ms, scope)),
      [30, 10, 20],
    );
    await clock.advance(30);
    expect((await batch).map(({ value }) => value)).toEqual([3, 1, 2]);
    expect(ended).toEqual([10, 20, 30]);
    expect(await createExecutor().runBatch(sleep, [])).toEqual([]);
  });

  it("says of a result whose it is and how long it took", async () => {
    const clock = manualClock();
    const executor = createExecutor({ clock });
    const one = executor.runOne(async function price(scope) {
      return sleep(40, scope);
    });
    await clock.advance(40);
    const result = await one;
    expect(result).toEqual({
      name: "price",
      executionMs: 40,
      cancelled: false,
      timedOut: false,
      ok: true,
      value: 40,
    });
    expectTypeOf(result).toEqualTypeOf<ExecutionResult<number>>();
    const names = [
      ...(await executor.runBatch(Math.abs, [-1])),
      ...(await executor.runParallel([() => 1, failing.bind(null, "no")], { name: "load" })),
      await executor.runOne(() => 1),
    ].map(({ name }) => name);
    expect(names).toEqual(["abs[0]", "load[0]", "load[1]", "the function"]);
  });

  it("never runs more than maxConcurrent functions at once, whichever calls they came with", async () => {
    const clock = manualClock();
    const executor = createExecutor({ maxConcurrent: 3, clock });
    let running = 0;
    const most: number[] = [];
    const work = async (scope: Scope): Promise<void> => {
      most.push(++running);
      await scope.sleep(10);
      running--;
    };
    const all = Promise.all([
      executor.runParallel([work, work, work, work]),
      executor.runBatch((_, scope) => work(scope), [1, 2]),
      executor.runOne(work),
    ]);
    await clock.advance(10);
    expect(most).toEqual([1, 2, 3, 3, 3, 3]);
    await clock.advance(20);
    await all;
    expect(most).toEqual([1, 2, 3, 3, 3, 3, 3]);
  });

  it("starts functions at once when slots are free, and in the order of the list", async () => {
    const started: number[] = [];
    const executor = createExecutor({ maxConcurrent: 2 });
    const batch = executor.runBatch((place: number) => void started.push(place), [0, 1, 2, 3, 4]);
    expect(started).toEqual([0, 1]);
    await batch;
    expect(started).toEqual([0, 1, 2, 3, 4]);
  });

  it("serves calls in turns, so that a long list does not keep a short one waiting", async () => {
    const clock = manualClock();
    const executor = createExecutor({ maxConcurrent: 1, clock });
    const started: string[] = [];
    const work = (name: string, scope: Scope): Promise<void> => {
      started.push(name);
      return scope.sleep(10);
    };
    const long = executor.runBatch(work, ["a0", "a1", "a2", "a3"]);
    const short = executor.runBatch(work, ["b0", "b1"]);
    await clock.advance(60);
    await Promise.all([long, short]);
    expect(started).toEqual(["a0", "a1", "b0", "a2", "b1", "a3"]);
  });

  it("does not count the wait for a slot towards the timeout of a function", async () => {
    const clock = manualClock();
    const executor = createExecutor({ maxConcurrent: 1, timeoutMs: 100, clock });
    const batch = executor.runBatch(sleep, [90, 90, 90]);
    await clock.advance(270);
    expect((await batch).map(({ ok, executionMs }) => [ok, executionMs])).toEqual([
      [true, 90],
      [true, 90],
      [true, 90],
    ]);
  });

  it("makes a failure a result, and cancels nobody else for it", async () => {
    const clock = manualClock();
    const full = fault("STORE_FULL", { path: "/data" });
    const plain = new Error("no route");
    const all = createExecutor({ clock }).runParallel<unknown>([
      async (scope) => sleep(50, scope),
      function fetch() {
        throw plain;
      },
      () => Promise.reject(full),
      async () => {
        const thrown: unknown = "a text";
        throw thrown;
      },
    ]);
    await clock.advance(50);
    const [slow, thrown, coded, text] = await all;
    expect(slow).toMatchObject({ ok: true, value: 50, executionMs: 50 });
    expect(thrown).toMatchObject({ ok: false, name: "fetch[1]", cancelled: false, timedOut: false });
    expect(thrown?.error).toMatchObject({
      code: "HANDLER_FAILED",
      message: "fetch[1] failed: no route",
      cause: plain,
    });
    expect(coded?.error).toBe(full);
    expect(text?.error?.message).toBe("the function[3] failed: a text");
  });

  it("makes a passed timeout a result, once the function has ended and cleaned up", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const executor = createExecutor({ timeoutMs: HOUR_MS, clock });
    const one = executor.runOne(
      async (scope) => {
        scope.defer(async () => {
          await scope.sleep(5);
          log.push("cleaned up");
        });
        try {
          await scope.sleep(HOUR_MS);
        } finally {
          log.push("finally");
        }
      },
      { timeoutMs: 100, name: "quote" },
    );
    await clock.advance(100);
    expect(log).toEqual(["finally"]);
    await clock.advance(5);
    const { ok, error, cancelled, timedOut, executionMs } = await one;
    expect(log).toEqual(["finally", "cleaned up"]);
    expect({ ok, cancelled, timedOut, executionMs }).toEqual({
      ok: false,
      cancelled: false,
      timedOut: true,
      executionMs: 105,
    });
    expect(error).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "quote did not end within 0.1 s",
    });
  });

  it("keeps the value of a function that is late and returns it all the same", async () => {
    const clock = manualClock();
    const gate = Promise.withResolvers<string>();
    const one = createExecutor({ clock }).runOne(() => gate.promise, { timeoutMs: 10 });
    await clock.advance(20);
    gate.resolve("stored");
    expect(await one).toMatchObject({ ok: true, value: "stored", timedOut: false, executionMs: 20 });
  });

  it("makes a function that withdraws itself a cancelled result", async () => {
    const executor = createExecutor();
    const results = await executor.runParallel([
      (scope) => {
        scope.cancel("it is not needed");
        scope.checkpoint();
      },
      () => Promise.reject(new DOMException("aborted elsewhere", "AbortError")),
      () => {},
    ]);
    expect(results.map(({ ok, cancelled, error }) => [ok, cancelled, error?.code])).toEqual([
      [false, true, "CANCELLED"],
      [false, true, "CANCELLED"],
      [true, false, undefined],
    ]);
  });

  it("lets a function wait for another executor", async () => {
    const inner = createExecutor({ maxConcurrent: 1 });
    const outer = createExecutor({ maxConcurrent: 2 });
    const results = await outer.runBatch(
      async (base: number, { signal }) => {
        const parts = await inner.runBatch((part: number) => base * part, [1, 2], { signal });
        return parts.map(({ value }) => value);
      },
      [1, 10],
    );
    expect(results.map(({ value }) => value)).toEqual([
      [1, 2],
      [10, 20],
    ]);
  });

  it("starts what a running function asks of it in the same moment when a slot is free", async () => {
    const executor = createExecutor({ maxConcurrent: 2 });
    const started: string[] = [];
    const outer = executor.runOne(async () => {
      started.push("outer");
      const inner = executor.runOne(() => void started.push("inner"));
      started.push("after");
      return (await inner).ok;
    });
    expect(started).toEqual(["outer", "inner", "after"]);
    expect(await outer).toMatchObject({ value: true });
  });
});

describe("the cancellation of a call", () => {
  it("cancels what runs, starts nothing further, and rejects with CANCELLED when every finally has run", async () => {
    const clock = manualClock();
    const user = new AbortController();
    const log: string[] = [];
    const executor = createExecutor({ maxConcurrent: 2, clock });
    const batch = executor.runBatch(
      async (name: string, scope) => {
        log.push(name);
        try {
          await scope.sleep(HOUR_MS);
        } finally {
          await scope.shield({ timeoutMs: 100 }, (shield) => shield.sleep(10));
          log.push(`${name} finally`);
        }
      },
      ["a", "b", "c", "d"],
      { signal: user.signal, name: "import" },
    );
    const ended = batch.catch((error: unknown) => {
      log.push("rejected");
      return error;
    });
    await clock.advance(5);
    const reason = new Error("the user left");
    user.abort(reason);
    await clock.advance(9);
    expect(log).toEqual(["a", "b"]);
    await clock.advance(1);
    expect(await ended).toMatchObject({
      code: "CANCELLED",
      message: "import was cancelled: the user left",
      cause: reason,
    });
    expect(log).toEqual(["a", "b", "a finally", "b finally", "rejected"]);
    expect(executor.metrics()).toMatchObject({ total: 2, cancelled: 2, failed: 2 });
    expect(clock.pending).toBe(0);
    // Every slot is free again.
    expect(await executor.runBatch((place: number) => place, [0, 1, 2])).toHaveLength(3);
  });

  it("comes with the scope around it, whose deadline holds too and which waits for it", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const executor = createExecutor();
    const work = async (_: number, scope: Scope): Promise<void> => {
      await scope.sleep(HOUR_MS).finally(() => log.push("finally"));
    };
    const bySignal = withScope({ clock, timeoutMs: 10 }, ({ signal }) =>
      executor.runBatch(work, [1, 2], { signal }),
    );
    const byParent = withScope({ clock, timeoutMs: 10 }, (parent) => {
      void executor.runBatch(work, [1, 2], { parent }).catch(() => {});
    }).finally(() => log.push("the outer scope returned"));
    const late = expect(bySignal).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(10);
    await late;
    await byParent;
    expect(log).toEqual([...Array<string>(4).fill("finally"), "the outer scope returned"]);
    expect(executor.metrics()).toMatchObject({ total: 4, cancelled: 4, timedOut: 0 });
  });

  it("ends the wait for slots that other calls hold, and leaves those calls alone", async () => {
    const clock = manualClock();
    const user = new AbortController();
    const executor = createExecutor({ maxConcurrent: 1, clock });
    const holder = executor.runOne((scope) => sleep(50, scope));
    const waiting = executor.runBatch(sleep, [1, 2, 3], { signal: user.signal });
    const rejected = expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    user.abort();
    await rejected;
    await clock.advance(50);
    expect(await holder).toMatchObject({ ok: true, value: 50 });
    expect(executor.metrics()).toMatchObject({ total: 1, cancelled: 0 });
  });

  it("starts nothing more even when a slot becomes free in the same moment", async () => {
    const user = new AbortController();
    const gate = Promise.withResolvers<void>();
    const executor = createExecutor({ maxConcurrent: 1 });
    const holder = executor.runOne(() => gate.promise);
    let started = false;
    const waiting = executor.runOne(() => void (started = true), { signal: user.signal });
    const rejected = expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    gate.resolve();
    void gate.promise.then(() => user.abort());
    await rejected;
    await holder;
    expect(started).toBe(false);
    expect(await executor.runOne(() => "free")).toMatchObject({ value: "free" });
  });

  it("that comes before the beginning starts nothing", async () => {
    const executor = createExecutor();
    let started = false;
    const work = (): void => void (started = true);
    const signal = AbortSignal.abort(new Error("gone"));
    for (const call of [
      executor.runOne(work, { signal }),
      executor.runParallel([work], { signal }),
      executor.runBatch(work, [1], { signal }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    }
    expect(started).toBe(false);
    expect(executor.metrics()?.total).toBe(0);
  });

  it("does not report as undone what has been done", async () => {
    const clock = manualClock();
    const user = new AbortController();
    const gate = Promise.withResolvers<string>();
    const executor = createExecutor({ maxConcurrent: 3, clock });
    const all = executor.runParallel<unknown>(
      [() => "at once", () => gate.promise, (scope) => scope.sleep(HOUR_MS)],
      { signal: user.signal, timeoutMs: 10 },
    );
    await clock.advance(10);
    user.abort();
    gate.resolve("in spite of it");
    expect((await all).map(({ ok, value, timedOut }) => [ok, value, timedOut])).toEqual([
      [true, "at once", false],
      [true, "in spite of it", false],
      [false, undefined, true],
    ]);
  });

  it("is told as CANCELLED, also when a function fails on its way out", async () => {
    const user = new AbortController();
    const executor = createExecutor();
    const undone = (): Promise<void> => Promise.reject(new Error("could not undo"));
    const all = executor.runParallel(
      [(scope) => scope.sleep(HOUR_MS).catch(undone), (scope) => scope.sleep(HOUR_MS)],
      { signal: user.signal },
    );
    const rejected = expect(all).rejects.toMatchObject({ code: "CANCELLED" });
    await microtasksDrained();
    user.abort();
    await rejected;
    expect(executor.metrics()).toMatchObject({ total: 2, failed: 2, cancelled: 1 });
  });
});

describe("the metrics", () => {
  it("count each function that ran once, by how it ended, and begin again at zero", async () => {
    const clock = manualClock();
    const executor = createExecutor({ timeoutMs: 100, clock });
    const none = {
      total: 0,
      successful: 0,
      failed: 0,
      cancelled: 0,
      timedOut: 0,
      successRate: 0,
      meanExecutionMs: 0,
      totalExecutionMs: 0,
    };
    expect(executor.metrics()).toEqual(none);
    const all = executor.runParallel<unknown>([
      (scope) => sleep(20, scope),
      (scope) => sleep(40, scope),
      (scope) => sleep(HOUR_MS, scope),
      (scope) => sleep(40, scope).then(() => failing("late")),
      (scope) => scope.cancel() ?? scope.checkpoint(),
    ]);
    await clock.advance(100);
    await all;
    expect(executor.metrics()).toEqual({
      total: 5,
      successful: 2,
      failed: 3,
      cancelled: 1,
      timedOut: 1,
      successRate: 0.4,
      meanExecutionMs: 40,
      totalExecutionMs: 200,
    });
    executor.resetMetrics();
    expect(executor.metrics()).toEqual(none);
  });

  it("are null when they are off", async () => {
    const executor = createExecutor({ metrics: false });
    expect(await executor.runOne(() => 1)).toMatchObject({ ok: true, value: 1 });
    executor.resetMetrics();
    expect(executor.metrics()).toBeNull();
  });
});
