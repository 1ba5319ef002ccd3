import type { Worker } from "node:worker_threads";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { openPool, type RunOutcome } from "../../src/compute/index.ts";
import { memoryBounds, watchMemory } from "../../src/compute/memory-watch.ts";
import { systemClock } from "../../src/scope/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import "./attempt-kit.ts";

const DRILL = pathToFileURL(join(import.meta.dirname, "../cli/modules/drill.tasks.ts")).href;
const MB = 1_048_576;
const LOOK_MS = 25;

/** A thread whose answers the test gives. */
function playedThread() {
  const asked: PromiseWithResolvers<unknown>[] = [];
  const getHeapStatistics = (): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>();
    asked.push(answer);
    return answer.promise;
  };
  return {
    thread: { threadId: 7, getHeapStatistics } as unknown as Worker,
    asked,
    async answer(heapMb: number, buffersMb: number) {
      asked.at(-1)?.resolve({ used_heap_size: heapMb * MB, external_memory: buffersMb * MB });
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

describe("a watch over the memory of a thread", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("ends the thread once when heap and buffers together pass the bound, and looks no more", async () => {
    const { thread, asked, answer } = playedThread();
    const over = vi.fn<(thread: Worker) => void>();
    const stop = watchMemory(() => thread, 100, over);
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    await answer(60, 40);
    expect(over).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    await answer(60, 41);
    expect(over.mock.calls).toEqual([[thread]]);
    await vi.advanceTimersByTimeAsync(10 * LOOK_MS);
    expect([asked.length, vi.getTimerCount()]).toEqual([2, 0]);
    expect(stop()).toBe(7);
  });

  it("never asks a thread that still owes an answer, and goes on after one that has ended", async () => {
    const { thread, asked, answer } = playedThread();
    const over = vi.fn<() => void>();
    const stop = watchMemory(() => thread, 100, over);
    await vi.advanceTimersByTimeAsync(10 * LOOK_MS);
    expect(asked).toHaveLength(1);
    asked[0]?.reject(new Error("it is not running"));
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(asked).toHaveLength(2);
    stop();
    await answer(200, 0);
    expect([over.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it("spares a thread whose attempt has ended while it answered", async () => {
    const { thread, answer } = playedThread();
    const over = vi.fn<() => void>();
    let holder: Worker | null = thread;
    const stop = watchMemory(() => holder, 100, over);
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    holder = null;
    await answer(200, 0);
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(over).not.toHaveBeenCalled();
    expect([stop(), vi.getTimerCount()]).toEqual([null, 0]);
  });

  it("leaves room for garbage above the promise, and for one huge allocation above that", () => {
    expect([32, 1_024, 65_536].map(memoryBounds)).toEqual([
      { endAtMb: 224, v8LimitMb: 1_504 },
      { endAtMb: 2_048, v8LimitMb: 3_328 },
      { endAtMb: 66_560, v8LimitMb: 67_840 },
    ]);
  });
});

describe("a handler that uses up its memory", () => {
  failOnLeaks();

  const open = (heapMb: number) => {
    const pool = openPool({
      modules: [DRILL],
      threads: 2,
      heapMb,
      graceMs: 20,
      blobsDirectory: null,
      roots: [],
      allowedHosts: [],
      clock: systemClock,
      log: createLog({ component: "pool", clock: systemClock, sink: () => {} }),
      onProgress: () => {},
    });
    let token = 0;
    const run = (action: string, input: unknown = null): Promise<RunOutcome> => {
      token += 1;
      return pool.run({
        taskId: `t${token}`,
        token,
        action,
        input: packValue(input),
        timeoutMs: Infinity,
        attempt: 1,
        place: "thread",
      });
    };
    return { pool, run };
  };

  it.each([
    ["growsList", 32],
    ["growsArray", 32],
    ["growsArray", 128],
    ["growsMap", 32],
    ["growsText", 64],
    ["growsBuffers", 64],
  ])(
    "costs its own attempt and its thread, and nothing else (%s, %d MB)",
    async (action, heapMb) => {
      const { pool, run } = open(heapMb);
      const neighbour = run("sleep", { ms: 100 });
      expect(await run(action)).toMatchObject({
        kind: "failed",
        error: { code: "HANDLER_OUT_OF_MEMORY", details: { action, limitMb: heapMb } },
      });
      expect([await neighbour, await run("echo")]).toMatchObject([
        { kind: "completed" },
        { kind: "completed" },
      ]);
      await pool.close({ graceMs: 0 });
    },
    60_000,
  );

  it("is not one that makes far more garbage than it holds", async () => {
    const { pool, run } = open(32);
    const outcome = await run("litters");
    expect(outcome.kind === "completed" && unpackValue(outcome.output)).toMatchObject({ visits: 50 });
    await pool.close({ graceMs: 0 });
  });
});
