import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import type { Lease } from "../../src/queue/queue.protocol.ts";
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

/**
 * Memory runs ahead of the disk, and what the disk refuses is taken back. Each of these laws was broken once, and the
 * simulation found it.
 */

const message = fakeMessage();
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const LEASE_MS = 1_000;
/** The first pause before a write is tried again, and the longest. */
const RETRY_MS = 50;
const RETRY_MS_MAX = 5_000;

/** The call has been decided in memory, and nothing of it is on disk. */
async function decided<T>(call: T | Promise<T>): Promise<{ readonly answer: Promise<T> }> {
  const answer = Promise.resolve(call);
  // Whether it rejects is for the test to see, later.
  answer.catch(() => undefined);
  await microtasksDrained();
  return { answer };
}

/** What waits for the disk is refused; what comes after it is not. */
async function refuse(kit: QueueKit): Promise<void> {
  kit.disk.room = 0;
  await kit.scheduler.step();
  kit.disk.room = Infinity;
}

async function passed(kit: QueueKit, ms: number): Promise<void> {
  await kit.clock.advance(ms);
  await kit.turns();
}

describe("a question", () => {
  it("about a task whose submit is being written waits for the disk, and there is none when it refuses", async () => {
    const kit = await openKit();
    const submitted = await decided(kit.queue.submit({ tasks: [specOf({ taskId: "a" })] }, message));
    let isAnswered = false;
    const asked = await decided(kit.queue.status({ taskId: "a" }, message));
    void asked.answer.finally(() => (isAnswered = true)).catch(() => undefined);
    await microtasksDrained();
    expect(isAnswered).toBe(false);
    await refuse(kit);
    await expect(submitted.answer).rejects.toEqual(code("STORE_FULL"));
    await expect(asked.answer).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  it("about the outcome of a task whose end is being written finds it running when the disk refuses", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    kit.pool.end("a", completed());
    await microtasksDrained();
    const asked = await decided(kit.queue.outcome({ taskId: "a" }, message));
    const listed = await decided(kit.queue.list({ filter: {}, offset: 0, limit: 9 }, message));
    await refuse(kit);
    await expect(asked.answer).rejects.toEqual(code("TASK_NOT_FINISHED"));
    expect((await kit.answer(listed.answer)).tasks).toMatchObject([{ taskId: "a", state: "running" }]);
  });
});

describe("a question about workers", () => {
  it("tells of a claim only when that is on disk", async () => {
    const kit = await openKit();
    const submitted = await decided(kit.queue.submit({ tasks: [specOf({ taskId: "a" })] }, message));
    const listed = await decided(kit.queue.workers(undefined, message));
    const asked = await decided(kit.queue.worker({ workerId: "local" }, message));
    await refuse(kit);
    await expect(submitted.answer).rejects.toEqual(code("STORE_FULL"));
    expect(await kit.answer(listed.answer)).toMatchObject({ workers: [{ workerId: "local", running: [] }] });
    expect(await kit.answer(asked.answer)).toMatchObject({ running: [] });
  });
});

describe("a command that finds nothing to do", () => {
  it("is carried out after all when that was true in memory only: a submit of a task that was there", async () => {
    const kit = await openKit();
    const tasks = [specOf({ taskId: "a" })];
    const first = await decided(kit.queue.submit({ tasks }, message));
    const second = await decided(kit.queue.submit({ tasks }, message));
    await refuse(kit);
    await expect(first.answer).rejects.toEqual(code("STORE_FULL"));
    expect(await kit.answer(second.answer)).toEqual({
      tasks: [{ taskId: "a", state: "running", replayed: false }],
    });
    expect(kit.pool.runningIds).toEqual(["a"]);
  });

  it("is carried out after all when that was true in memory only: a cancellation of a task that had ended", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" });
    kit.pool.end("a", failedWith("x"));
    await microtasksDrained();
    const cancelled = await decided(
      kit.queue.cancel({ taskIds: ["a"], reason: "no longer needed", force: false }, message),
    );
    await refuse(kit);
    expect(await kit.answer(cancelled.answer)).toEqual({ cancelled: 0, cancelling: 1 });
    await passed(kit, RETRY_MS);
    expect(await kit.status("a")).toMatchObject({ state: "cancelled" });
  });
});

describe("an end that was refused", () => {
  it("is written by a stop before what still runs is handed back, though its next try is far off", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory, init: { threads: 2 } });
    await kit.submit({ taskId: "ended" }, { taskId: "runs" });
    kit.disk.room = 0;
    await kit.end("ended", completed("precious"));
    for (let pauseMs = RETRY_MS; pauseMs < RETRY_MS_MAX; pauseMs *= 2) await passed(kit, pauseMs);
    expect(kit.clock.nextAtMs - kit.clock.now()).toBe(RETRY_MS_MAX);
    kit.disk.room = Infinity;
    await kit.stop();
    const next = await openKit({ directory, init: { threads: 2 }, clock: kit.clock });
    const outcome = await next.answer(next.queue.outcome({ taskId: "ended" }, message));
    expect(outputOf(outcome)).toBe("precious");
    expect(await next.status("runs")).toMatchObject({ state: "running", attempt: 1, interruptions: 0 });
  });
});

describe("a worker outside", () => {
  const register = (kit: QueueKit): Promise<unknown> =>
    kit.answer(kit.queue.registerWorker({ worker: { workerId: "w", capabilities: ["render"] } }, message));
  const claim = async (kit: QueueKit): Promise<Lease[]> => {
    const terms = { workerId: "w", max: 1, leaseMs: LEASE_MS, waitMs: 0 };
    return (await kit.answer(kit.queue.claim(terms, message))).leases;
  };
  const leased = async (): Promise<{ kit: QueueKit; leases: Lease[] }> => {
    const kit = await openKit();
    await register(kit);
    await kit.submit({ taskId: "a", action: "render" });
    return { kit, leases: await claim(kit) };
  };
  const renew = (kit: QueueKit, leases: Lease[]): Promise<unknown> =>
    kit.answer(kit.queue.renew({ workerId: "w", leases, leaseMs: LEASE_MS }, message));

  it("may still renew a lease that ran out while the end of it could not be written", async () => {
    const { kit, leases } = await leased();
    kit.disk.room = 0;
    await passed(kit, LEASE_MS + 1);
    expect(await renew(kit, leases)).toEqual({ lost: [], cancelling: [] });
    kit.disk.room = Infinity;
    await passed(kit, LEASE_MS - 1);
    expect(await kit.status("a")).toMatchObject({ state: "running", interruptions: 0 });
  });

  it("loses such a lease when there is room again, if it has not renewed", async () => {
    const { kit, leases } = await leased();
    kit.disk.room = 0;
    await passed(kit, LEASE_MS + 1);
    expect(await kit.status("a")).toMatchObject({ state: "running", interruptions: 0 });
    kit.disk.room = Infinity;
    await passed(kit, RETRY_MS);
    expect(await kit.status("a")).toMatchObject({ state: "queued", interruptions: 1 });
    expect(await renew(kit, leases)).toEqual({ lost: ["a"], cancelling: [] });
  });

  it("goes on as it was when the disk refuses to let it go", async () => {
    const kit = await openKit();
    await register(kit);
    const gone = await decided(
      kit.queue.unregisterWorker({ workerId: "w", graceful: true, timeoutMs: 0 }, message),
    );
    await refuse(kit);
    await expect(gone.answer).rejects.toEqual(code("STORE_FULL"));
    await kit.submit({ taskId: "a", action: "render" });
    expect(await claim(kit)).toMatchObject([{ taskId: "a" }]);
  });

  it("that leaves at the moment at which there is something for it takes nothing with it", async () => {
    const kit = await openKit();
    await register(kit);
    const leaving = new AbortController();
    const terms = { workerId: "w", max: 1, leaseMs: LEASE_MS, waitMs: LIMITS.queue.waitMs };
    const waiting = await decided(kit.queue.claim(terms, fakeMessage({ signal: leaving.signal })));
    const submitted = kit.submit({ taskId: "a", action: "render" });
    // It has been woken by now, and has not looked.
    leaving.abort();
    await submitted;
    expect(await kit.answer(waiting.answer)).toEqual({ leases: [] });
    expect(await kit.status("a")).toMatchObject({ state: "queued", attempt: 0 });
  });
});

describe("a task that is leaving", () => {
  const other = specOf({ taskId: "a", input: packValue({ n: 2 }) });

  it("is not the task that a submit of its id means: that one is new, though its work is another", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.end("a");
    const cleared = await decided(kit.queue.clear({ states: ["completed"] }, message));
    const submitted = await decided(kit.queue.submit({ tasks: [other] }, message));
    expect(await kit.answer(cleared.answer)).toEqual({ cleared: 1, remaining: 0 });
    expect(await kit.answer(submitted.answer)).toMatchObject({ tasks: [{ taskId: "a", replayed: false }] });
    expect(kit.pool.runningIds).toEqual(["a"]);
  });

  it("is that task when the disk refuses to let it leave", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.end("a");
    const cleared = await decided(kit.queue.clear({ states: ["completed"] }, message));
    const submitted = await decided(kit.queue.submit({ tasks: [other] }, message));
    await refuse(kit);
    await expect(cleared.answer).rejects.toEqual(code("STORE_FULL"));
    await expect(kit.answer(submitted.answer)).rejects.toEqual(code("ALREADY_EXISTS"));
  });

  it("cannot be retried, since its row may be gone", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.end("a", failedWith("x"));
    // Both wait for this write, and the purge is the first to go on.
    await decided(kit.queue.submit({ tasks: [specOf({ taskId: "b" })] }, message));
    const purged = await decided(kit.queue.purge({ taskIds: ["a"], filter: {} }, message));
    const retried = await decided(kit.queue.retry({ taskId: "a" }, message));
    expect(await kit.answer(purged.answer)).toEqual({ purged: 1 });
    await expect(kit.answer(retried.answer)).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(kit.pool.runningIds).toEqual(["b"]);
  });
});
