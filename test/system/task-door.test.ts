import { describe, expect, it } from "vitest";
import { Reference, unpackValue } from "../../src/codec/index.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import type { TaskRequest } from "../../src/system/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { doorOver, openDoor, type DoorKit } from "./kit/queue-door.ts";

const restarting = (): Error => fault("ACTOR_RESTARTING", { actor: "queue" });
const receiptOf = ({ taskId }: TaskSpec) => ({ taskId, state: "queued" as const, replayed: false });

/** A door whose queue only takes submits, and what it got. */
function collecting() {
  const batches: TaskSpec[][] = [];
  const tasks = doorOver(
    {
      submit: async ({ tasks: specs }) => {
        batches.push(specs);
        return { tasks: specs.map(receiptOf) };
      },
    },
    manualClock(),
  );
  return { tasks, batches };
}

/** Carries out everything that is queued, and stops. */
async function workOff(
  { tasks, drive }: DoorKit,
  handler: (input: never) => unknown,
  ...ids: string[]
): Promise<void> {
  const stop = new AbortController();
  const working = tasks.work({ workerId: "w", handlers: { echo: handler }, signal: stop.signal });
  await drive(Promise.all(ids.map((id) => tasks.wait(id))));
  stop.abort();
  await drive(working);
}

describe("a submit", () => {
  failOnLeaks();

  it("makes a random id, and an empty input, where none are given", async () => {
    const { tasks, batches } = collecting();
    const receipts = await tasks.submitMany([{ action: "echo" }, { action: "echo" }]);
    const [first, second] = batches.flat();
    expect(first?.taskId).toMatch(/^[0-9a-f-]{36}$/);
    expect(second?.taskId).not.toBe(first?.taskId);
    expect(unpackValue(first?.input ?? new Uint8Array())).toEqual({});
    expect(receipts.map(({ taskId }) => taskId)).toEqual([first?.taskId, second?.taskId]);
  });

  it.each([
    ["a date", new Date(1_000)],
    ["text with its zone", "1970-01-01T01:00:01+01:00"],
    ["milliseconds", 1_000],
  ])("takes a deadline as %s", async (_, deadline) => {
    const { tasks, batches } = collecting();
    await tasks.submit({ action: "echo", deadline });
    expect(batches[0]?.[0]).toMatchObject({ deadlineMs: 1_000 });
    expect(batches[0]?.[0]).not.toHaveProperty("deadline");
  });

  it.each([["tomorrow"], ["2026-01-31"], ["2026-01-31T12:00:00"], [new Date(Number.NaN)], [Number.NaN]])(
    "refuses the deadline %s, which is no moment",
    async (deadline) => {
      const { tasks, batches } = collecting();
      await expect(tasks.submit({ action: "echo", deadline })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        details: { argument: "deadline" },
      });
      expect(batches).toEqual([]);
    },
  );

  it("takes references anywhere in its input, and refuses what cannot cross", async () => {
    const { tasks, batches } = collecting();
    const input = { rows: [new Reference("ab", 9)], raw: Uint8Array.of(1), big: 2n };
    await tasks.submit({ action: "echo", input });
    expect(unpackValue(batches[0]?.[0]?.input ?? new Uint8Array())).toEqual(input);
    await expect(tasks.submit({ action: "echo", input: { done: () => 1 } })).rejects.toMatchObject({
      code: "NOT_A_WIRE_VALUE",
    });
    expect(batches).toHaveLength(1);
  });

  it("goes in batches of at most 10,000 tasks and well below what a message may have, in order", async () => {
    const { tasks, batches } = collecting();
    const many = LIMITS.queue.batchTasks + 1;
    await tasks.submitMany(Array.from({ length: many }, (_, at) => ({ id: `t${at}`, action: "echo" })));
    expect(batches.flat().map(({ taskId }) => taskId)).toEqual(
      Array.from({ length: many }, (_, at) => `t${at}`),
    );
    expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(LIMITS.queue.batchTasks);
    batches.length = 0;
    const large = "x".repeat(LIMITS.queue.inputBytes - 100);
    await tasks.submitMany(Array.from({ length: 20 }, () => ({ action: "echo", input: { large } })));
    const sizes = batches.map((batch) => batch.reduce((sum, { input }) => sum + input.byteLength, 0));
    expect(batches.flat()).toHaveLength(20);
    expect(Math.max(...sizes)).toBeLessThan(LIMITS.actor.messageBytes / 2);
  });

  it("is carried through a restart of the queue under the same id", async () => {
    const ids: (string | undefined)[] = [];
    const tasks = doorOver(
      {
        submit: async ({ tasks: specs }) => {
          ids.push(specs[0]?.taskId);
          if (ids.length === 1) throw restarting();
          return { tasks: specs.map(receiptOf) };
        },
      },
      manualClock(),
    );
    await tasks.submit({ action: "echo" });
    expect(ids[0]).toBe(ids[1]);
  });

  it("that asks for admission is refused, with the reason, when its deadline cannot be met", async () => {
    const submitted: TaskSpec[] = [];
    const tasks = doorOver(
      {
        admission: async () => ({ feasible: false, estimatedEndMs: 9, reason: "90 tasks are ahead of it" }),
        submit: async ({ tasks: specs }) => {
          submitted.push(...specs);
          return { tasks: specs.map(receiptOf) };
        },
      },
      manualClock(),
    );
    await expect(tasks.submit({ id: "a", action: "echo", deadline: 5, admit: true })).rejects.toMatchObject({
      code: "DEADLINE_UNREACHABLE",
      message: expect.stringContaining("90 tasks") as string,
    });
    expect(submitted).toEqual([]);
    await tasks.submit({ id: "b", action: "echo", deadline: 5 });
    await tasks.submit({ id: "c", action: "echo", admit: true });
    expect(submitted.map(({ taskId }) => taskId)).toEqual(["b", "c"]);
  });
});

describe("what changes something when it is asked again", () => {
  it.each([
    ["clear", (tasks: DoorKit["tasks"]) => tasks.clear(["failed"])],
    ["retry", (tasks: DoorKit["tasks"]) => tasks.retry("a")],
    ["reprioritize", (tasks: DoorKit["tasks"]) => tasks.reprioritize("a", { delta: 1 })],
    ["redrive", (tasks: DoorKit["tasks"]) => tasks.deadLetters.redrive()],
    ["purge", (tasks: DoorKit["tasks"]) => tasks.deadLetters.purge()],
    ["unregisterWorker", (tasks: DoorKit["tasks"]) => tasks.workers.unregister("w")],
    ["removeQuota", (tasks: DoorKit["tasks"]) => tasks.quotas.remove("tag", "a")],
  ] as const)("is not carried through a restart: %s", async (call, ask) => {
    let asked = 0;
    const tasks = doorOver(
      {
        [call]: () => {
          asked += 1;
          return Promise.reject(restarting());
        },
      },
      manualClock(),
    );
    await expect(ask(tasks)).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
    expect(asked).toBe(1);
  });
});

describe("a task", () => {
  failOnLeaks();

  it("is run to its output, which comes back as a value", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const stop = new AbortController();
    const echo = ({ n }: { n: number }): unknown => ({ twice: 2 * n });
    const working = tasks.work({ workerId: "w", handlers: { echo }, signal: stop.signal });
    expect(await drive(tasks.run({ action: "echo", input: { n: 21 } }))).toEqual({ twice: 42 });
    stop.abort();
    await drive(working);
    const { tasks: listed, total } = await drive(tasks.list({ states: ["completed"] }));
    expect([total, listed[0]?.workerId]).toEqual([1, "w"]);
  });

  it("that fails rejects its run with its own error, and is a dead letter with the cause of each attempt", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const request: TaskRequest = {
      id: "a",
      action: "echo",
      attempts: 2,
      backoff: { shape: "none" },
      tags: ["x"],
    };
    await drive(tasks.submit(request));
    let tried = 0;
    await workOff(
      kit,
      () => {
        tried += 1;
        throw new Error(`no ${tried}`);
      },
      "a",
    );
    await expect(drive(tasks.run(request))).rejects.toMatchObject({
      code: "HANDLER_FAILED",
      message: "echo failed: no 2",
    });
    expect(await drive(tasks.deadLetters.list({ tags: ["x"] }))).toMatchObject({
      total: 1,
      tasks: [{ taskId: "a" }],
    });
    const { task, attempts } = await drive(tasks.deadLetters.inspect("a"));
    expect(task).toMatchObject({ state: "failed", deadLetter: true, output: undefined });
    expect(attempts.map(({ attempt, error }) => [attempt, error?.message])).toEqual([
      [1, "echo failed: no 1"],
      [2, "echo failed: no 2"],
    ]);
    expect(await drive(tasks.attempts("a"))).toEqual(attempts);
    const { redriven } = await drive(tasks.deadLetters.redrive({ taskIds: ["a"] }));
    expect(redriven).toEqual([{ taskId: "a", newTaskId: "a-retry-1" }]);
    expect(await drive(tasks.status("a-retry-1"))).toMatchObject({ origin: "a", state: "queued" });
    expect((await drive(tasks.deadLetters.list())).total).toBe(0);
  });

  it("that is withdrawn is cancelled, with the reason, and its run rejects when nothing of it is left", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const withdrawal = new AbortController();
    const run = tasks.run({ id: "a", action: "echo" }, { signal: withdrawal.signal });
    run.catch(() => undefined);
    await drive(kit.queue.call.stats());
    withdrawal.abort(new Error("changed my mind"));
    await expect(drive(run)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await drive(tasks.result("a"))).toMatchObject({
      state: "cancelled",
      error: { message: expect.stringContaining("changed my mind") as string },
    });
  });

  it("that is withdrawn before it begins never happens", async () => {
    await using kit = await openDoor();
    const run = kit.tasks.run({ id: "a", action: "echo" }, { signal: AbortSignal.abort() });
    await expect(kit.drive(run)).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(kit.drive(kit.tasks.status("a"))).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  });

  it("is waited for no longer than its caller wants, and goes on", async () => {
    await using kit = await openDoor();
    const { tasks, drive, clock } = kit;
    await drive(tasks.submit({ id: "a", action: "echo" }));
    const startMs = clock.now();
    await expect(drive(tasks.wait("a", { timeoutMs: 60_000 }))).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    expect(clock.now() - startMs).toBe(60_000);
    expect((await drive(tasks.status("a"))).state).toBe("queued");
    await expect(drive(tasks.result("a"))).rejects.toMatchObject({ code: "TASK_NOT_FINISHED" });
  });

  it("can be found, placed, put before others, explained, cancelled and made anew", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    await drive(tasks.submitMany(["a", "b", "c"].map((id) => ({ id, action: "echo" }))));
    expect(await drive(tasks.list({ offset: 1, limit: 1 }))).toMatchObject({
      total: 3,
      tasks: [{ taskId: "b" }],
    });
    expect(await drive(tasks.position("c"))).toMatchObject({ ahead: 2, exact: true });
    expect(await drive(tasks.reprioritize("c", 5))).toEqual({ before: 1, after: 5 });
    expect(await drive(tasks.reprioritize("c", { delta: 2 }))).toEqual({ before: 5, after: 7 });
    expect((await drive(tasks.position("c"))).ahead).toBe(0);
    expect((await drive(tasks.explain("a"))).sentences.length).toBeGreaterThan(0);
    expect(await drive(tasks.cancel(["a", "b"], { reason: "not now" }))).toEqual({
      cancelled: 2,
      cancelling: 0,
    });
    expect(await drive(tasks.retry("a", { attempts: 3 }))).toEqual({ taskId: "a-retry-1", retries: 1 });
    expect(await drive(tasks.status("a-retry-1"))).toMatchObject({ attempts: 3, origin: "a" });
    expect(await drive(tasks.logs("a"))).toEqual({ lines: [], total: 0, dropped: 0 });
  });
});

describe("the queue as a whole", () => {
  failOnLeaks();

  it("is paused, says so, is resumed, and is cleared", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    await drive(tasks.submit({ id: "a", action: "echo" }));
    expect(await drive(tasks.pause({ reason: "a new disk" }))).toMatchObject({ queued: 1, running: 0 });
    expect((await drive(tasks.stats())).paused).toMatchObject({ reason: "a new disk" });
    expect(await drive(tasks.resume())).toEqual({ queued: 1 });
    expect((await drive(tasks.stats())).paused).toBeNull();
    expect(await drive(tasks.clear(["queued"]))).toMatchObject({ cleared: 1 });
  });

  it("has quotas that hold, are listed and are removed", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    await drive(tasks.quotas.set({ scope: "tag", name: "x", queued: 1 }));
    await drive(tasks.submit({ action: "echo", tags: ["x"] }));
    await expect(drive(tasks.submit({ action: "echo", tags: ["x"] }))).rejects.toMatchObject({
      code: "QUOTA_EXCEEDED",
    });
    expect(await drive(tasks.quotas.list())).toMatchObject([
      { scope: "tag", name: "x", queued: 1, waiting: 1 },
    ]);
    expect(await drive(tasks.quotas.remove("tag", "x"))).toBe(true);
    expect(await drive(tasks.quotas.remove("tag", "x"))).toBe(false);
  });

  it("has workers that are registered, asked for and unregistered", async () => {
    await using kit = await openDoor();
    const { tasks, drive } = kit;
    const worker = { workerId: "w", capabilities: ["paint"], maxConcurrent: 2 };
    expect(await drive(tasks.workers.register(worker))).toMatchObject(worker);
    expect(await drive(tasks.workers.status("w"))).toMatchObject({ state: "idle", running: [] });
    expect((await drive(tasks.workers.list())).map(({ workerId }) => workerId)).toEqual(["local", "w"]);
    expect(await drive(tasks.workers.unregister("w"))).toEqual({ completed: 0, abandoned: 0 });
    await expect(drive(tasks.workers.status("w"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });

  it("knows its tasks again after it was killed", async () => {
    const { temporaryDirectory } = await import("./kit/directory.ts");
    await using kit = await openDoor({ directory: temporaryDirectory() });
    const { tasks, drive, supervisor } = kit;
    await drive(tasks.submit({ id: "a", action: "echo", deadline: "2026-02-01T00:00:00Z" }));
    await drive(supervisor.kill("queue"));
    expect(await drive(tasks.status("a"))).toMatchObject({
      state: "queued",
      deadlineMs: Date.UTC(2026, 1, 1),
    });
  });
});
