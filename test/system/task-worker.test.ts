import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { WorkContext, WorkHandler } from "../../src/system/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openDoor, tampered, type DoorKit } from "./kit/queue-door.ts";

const LEASE_MS = 30_000;

/** Handlers that the test ends one by one. */
function openHandlers() {
  const running = new Map<
    string,
    { context: WorkContext; end: (output: unknown) => void; fail: (why: Error) => void }
  >();
  let most = 0;
  const paint: WorkHandler = (_input, context) => {
    const ended = Promise.withResolvers<unknown>();
    running.set(context.taskId, { context, end: ended.resolve, fail: ended.reject });
    most = Math.max(most, running.size);
    // As every handler that waits: it leaves when it is told to.
    context.signal.addEventListener("abort", () => ended.reject(context.signal.reason as Error), {
      once: true,
    });
    return ended.promise.finally(() => running.delete(context.taskId));
  };
  return {
    handlers: { paint },
    running,
    most: () => most,
    of(taskId: string) {
      const found = running.get(taskId);
      if (!found) throw new Error(`${taskId} does not run`);
      return found;
    },
  };
}

async function openWorker(
  kit: DoorKit,
  options: { concurrency?: number; leaseMs?: number } = {},
  tasks = kit.tasks,
) {
  const stop = new AbortController();
  const hands = openHandlers();
  const { handlers } = hands;
  const work = tasks.work({ workerId: "w", handlers, leaseMs: LEASE_MS, ...options, signal: stop.signal });
  work.catch(() => undefined);
  // Registering is the first thing it does; an action that nobody has cannot be submitted.
  while (!(await kit.drive(kit.tasks.workers.list())).some(({ workerId }) => workerId === "w"));
  return {
    ...hands,
    stop: () => stop.abort(),
    work,
    /** Lets the world go on until the handler of the task runs. */
    async started(taskId: string): Promise<void> {
      while (!hands.running.has(taskId)) await kit.drive(kit.tasks.status(taskId));
    },
  };
}

const paint = (id: string, more: object = {}) => ({ id, action: "paint", ...more });

describe("a worker in the caller's process", () => {
  failOnLeaks();

  it("has as many tasks at once as it may, takes the next when one ends, and tells what it did", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = await openWorker(kit, { concurrency: 2 });
    await drive(tasks.submitMany(["a", "b", "c"].map((id) => paint(id))));
    await worker.started("a");
    await worker.started("b");
    expect(worker.running.has("c")).toBe(false);
    worker.of("a").end({ painted: true });
    expect((await drive(tasks.wait("a"))).output).toEqual({ painted: true });
    await worker.started("c");
    worker.of("b").fail(new Error("no paint left"));
    expect((await drive(tasks.wait("b"))).error).toMatchObject({
      code: "HANDLER_FAILED",
      message: "paint failed: no paint left",
    });
    worker.of("c").end(undefined);
    expect((await drive(tasks.wait("c"))).output).toBeNull();
    worker.stop();
    expect(await drive(worker.work)).toEqual({ completed: 2, failed: 1, cancelled: 0, returned: 0, lost: 0 });
    expect(worker.most()).toBe(2);
  });

  it("keeps a task for longer than its lease, because it renews it", async () => {
    await using kit = await openDoor();
    const { tasks, drive, clock } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    const patience = tasks.wait("a", { timeoutMs: 10 * LEASE_MS });
    await expect(drive(patience)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(clock.now()).toBeGreaterThanOrEqual(10 * LEASE_MS);
    worker.of("a").end("done");
    expect(await drive(tasks.wait("a"))).toMatchObject({ state: "completed", attempt: 1, interruptions: 0 });
    worker.stop();
    await drive(worker.work);
  });

  it("tells a handler at once that its task is cancelled, and the task is cancelled", async () => {
    await using kit = await openDoor();
    const { tasks, drive, clock } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    const { signal } = worker.of("a").context;
    const startMs = clock.now();
    expect(await drive(tasks.cancel("a"))).toEqual({ cancelled: 0, cancelling: 1 });
    expect((await drive(tasks.wait("a"))).state).toBe("cancelled");
    expect(clock.now() - startMs).toBeLessThan(100);
    expect(signal.reason).toMatchObject({ code: "CANCELLED" });
    worker.stop();
    expect(await drive(worker.work)).toMatchObject({ cancelled: 1, returned: 0 });
  });

  it("stops a handler whose time is over, and the attempt has failed with that", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a", { timeoutMs: 5_000 })));
    expect(await drive(tasks.wait("a"))).toMatchObject({
      state: "failed",
      error: { code: "HANDLER_TIMEOUT", details: { action: "paint", timeoutMs: 5_000 } },
    });
    worker.stop();
    await drive(worker.work);
  });

  it("gives back what it has when it is told to stop, uncharged, and is registered no more", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    worker.stop();
    expect(await drive(worker.work)).toEqual({ completed: 0, failed: 0, cancelled: 0, returned: 1, lost: 0 });
    expect(await drive(tasks.status("a"))).toMatchObject({ state: "queued", attempt: 0, interruptions: 0 });
    await expect(drive(tasks.workers.status("w"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });

  it("waits, when it is told to stop, for a handler that does not heed its signal, and its work counts", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const stop = new AbortController();
    const stubborn = Promise.withResolvers<string>();
    const entered = Promise.withResolvers<void>();
    const handlers = {
      echo: () => {
        entered.resolve();
        return stubborn.promise;
      },
    };
    const work = tasks.work({ workerId: "w", handlers, signal: stop.signal });
    await drive(tasks.submit({ id: "a", action: "echo" }));
    await drive(entered.promise);
    stop.abort();
    await drive(kit.queue.call.stats());
    stubborn.resolve("after all");
    expect(await drive(work)).toMatchObject({ completed: 1, returned: 0 });
    expect((await drive(tasks.result("a"))).output).toBe("after all");
  });

  it("drops what it has lost: its handler is told, and its end changes nothing", async () => {
    await using kit = await openDoor();
    const { drive } = kit;
    const lossy = tampered(kit, { renew: async () => ({ lost: ["a"], cancelling: [] }) });
    const worker = await openWorker(kit, {}, lossy);
    await drive(kit.tasks.submit(paint("a")));
    await worker.started("a");
    const { signal } = worker.of("a").context;
    while (!signal.aborted) await drive(kit.tasks.wait("a", { timeoutMs: 1_000 }).catch(() => undefined));
    expect(signal.reason).toMatchObject({ code: "LEASE_LOST" });
    worker.stop();
    expect(await drive(worker.work)).toMatchObject({ lost: 1, failed: 0 });
  });

  it("fails a task whose output cannot be sent, instead of running it again and again", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    worker.of("a").end({ brush: () => "stroke" });
    expect(await drive(tasks.wait("a"))).toMatchObject({
      state: "failed",
      error: { code: "OUTPUT_INVALID" },
    });
    worker.stop();
    await drive(worker.work);
  });

  it("tells the queue how far a task is", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = await openWorker(kit);
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    worker.of("a").context.progress(0.25);
    worker.of("a").context.progress(0.5, "half");
    while ((await drive(tasks.status("a"))).progress !== 0.5)
      await drive(tasks.wait("a", { timeoutMs: 100 }).catch(() => undefined));
    worker.of("a").end("done");
    await drive(tasks.wait("a"));
    worker.stop();
    await drive(worker.work);
  });

  it("goes on after the queue was killed", async () => {
    const { temporaryDirectory } = await import("./kit/directory.ts");
    await using kit = await openDoor({ directory: temporaryDirectory() });
    const { tasks, drive, supervisor } = kit;
    const worker = await openWorker(kit);
    await drive(supervisor.kill("queue"));
    await drive(kit.queue.ready());
    await drive(tasks.submit(paint("a")));
    await worker.started("a");
    worker.of("a").end("done");
    expect((await drive(tasks.wait("a"))).state).toBe("completed");
    worker.stop();
    expect(await drive(worker.work)).toMatchObject({ completed: 1 });
  });

  it("ends when someone else unregisters it", async () => {
    await using kit = await openDoor();
    const worker = await openWorker(kit);
    await kit.drive(kit.tasks.workers.unregister("w"));
    await expect(kit.drive(worker.work)).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });

  it.each([
    ["concurrency", 0, 1],
    ["concurrency", LIMITS.queue.workerTasks + 1, LIMITS.queue.workerTasks],
    ["leaseMs", LIMITS.queue.leaseMsMin - 1, LIMITS.queue.leaseMsMin],
    ["leaseMs", LIMITS.queue.leaseMs + 1, LIMITS.queue.leaseMs],
  ])("refuses %s %d, and takes %d", async (argument, wrong, right) => {
    await using kit = await openDoor();
    const signal = AbortSignal.abort();
    const work = (value: number) =>
      kit.tasks.work({ workerId: "w", handlers: {}, [argument]: value, signal });
    await expect(work(wrong)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", details: { argument } });
    expect(await work(right)).toMatchObject({ completed: 0 });
  });

  it.each([
    ["signal", { signal: undefined }],
    ["handlers", { handlers: undefined }],
    ["handlers.paint", { handlers: { paint: "a text" } }],
  ])("refuses work without %s before it registers", async (argument, without) => {
    await using kit = await openDoor();
    const options = { workerId: "w", handlers: {}, signal: AbortSignal.abort(), ...without };
    await expect(kit.tasks.work(options as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument },
    });
    expect(await kit.drive(kit.tasks.workers.list())).toEqual([
      expect.objectContaining({ workerId: "local" }),
    ]);
  });
});
