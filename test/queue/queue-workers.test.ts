import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { fault, toWireError } from "../../src/errors/index.ts";
import type { Lease } from "../../src/queue/queue.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { openKit, outputOf, temporaryDirectory, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const LEASE_MS = 1_000;

async function register(
  kit: QueueKit,
  workerId: string,
  more: { maxConcurrent?: number } = {},
): Promise<void> {
  const worker = { workerId, capabilities: ["render", "gpu"], ...more };
  await kit.answer(kit.queue.registerWorker({ worker }, message));
}

function claim(kit: QueueKit, workerId: string, max = 1, waitMs = 0): Promise<{ leases: Lease[] }> {
  return Promise.resolve(kit.queue.claim({ workerId, max, leaseMs: LEASE_MS, waitMs }, message));
}

async function claimOne(kit: QueueKit, workerId: string): Promise<Lease> {
  const { leases } = await kit.answer(claim(kit, workerId));
  const [lease] = leases;
  if (!lease) throw new Error("there was nothing to claim");
  return lease;
}

const finish = (
  kit: QueueKit,
  workerId: string,
  { taskId, token }: Lease,
  output = "done",
): Promise<unknown> =>
  kit.answer(
    kit.queue.finish(
      { workerId, taskId, token, end: { kind: "completed", output: packValue(output) } },
      message,
    ),
  );

const render = (taskId: string): { taskId: string; action: string } => ({ taskId, action: "render" });

describe("a worker outside", () => {
  it("makes its actions known, and takes the tasks that the queue's own pool cannot do", async () => {
    const kit = await openKit();
    await expect(kit.submit(render("early"))).rejects.toEqual(code("UNKNOWN_ACTION"));
    await register(kit, "w");
    await kit.submit(render("a"));
    expect(await kit.status("a")).toMatchObject({ state: "queued" });
    const lease = await claimOne(kit, "w");
    expect(lease).toMatchObject({ taskId: "a", action: "render", attempt: 1, token: 1 });
    expect(kit.events("started")).toMatchObject([{ taskId: "a" }]);
    expect(await finish(kit, "w", lease, "picture")).toEqual({ state: "completed" });
    expect(outputOf(await kit.answer(kit.queue.outcome({ taskId: "a" }, message)))).toBe("picture");
    expect(await kit.answer(kit.queue.worker({ workerId: "w" }, message))).toMatchObject({
      state: "idle",
      completed: 1,
      running: [],
    });
  });

  it("that waits is given a task as soon as there is one, and nothing when its time is up", async () => {
    const kit = await openKit();
    await register(kit, "w");
    const waiting = claim(kit, "w", 1, 500);
    await kit.turns();
    await kit.submit(render("a"));
    expect((await kit.answer(waiting)).leases).toMatchObject([{ taskId: "a" }]);
    const inVain = claim(kit, "w", 1, 500);
    await kit.turns();
    await kit.clock.advance(500);
    expect((await kit.answer(inVain)).leases).toEqual([]);
  });

  it("that does not renew loses its lease: the task is claimable again, and the late end is refused", async () => {
    const kit = await openKit();
    await register(kit, "slow");
    await register(kit, "quick");
    await kit.submit(render("a"));
    const late = await claimOne(kit, "slow");
    await kit.clock.advance(LEASE_MS + 1);
    await kit.turns();
    expect(await kit.status("a")).toMatchObject({ state: "queued", interruptions: 1, attempt: 0 });
    const second = await claimOne(kit, "quick");
    expect(second.token).toBeGreaterThan(late.token);
    await expect(finish(kit, "slow", late)).rejects.toEqual(code("LEASE_LOST"));
    await finish(kit, "quick", second);
    expect(await kit.status("a")).toMatchObject({ state: "completed", workerId: "quick" });
  });

  it("that renews keeps its lease, and learns what it has lost and what is being cancelled", async () => {
    const kit = await openKit();
    await register(kit, "w");
    await kit.submit(render("a"), render("b"));
    const { leases } = await kit.answer(claim(kit, "w", 2));
    await kit.clock.advance(LEASE_MS - 1);
    const renewed = kit.queue.renew({ workerId: "w", leases, leaseMs: LEASE_MS }, message);
    expect(await kit.answer(renewed)).toEqual({ lost: [], cancelling: [] });
    await kit.clock.advance(LEASE_MS - 1);
    await kit.turns();
    expect(await kit.status("a")).toMatchObject({ state: "running" });
    await kit.answer(kit.queue.cancel({ taskIds: ["b"], reason: "", force: false }, message));
    const again = kit.queue.renew(
      { workerId: "w", leases: [...leases, { taskId: "c", token: 9 }], leaseMs: LEASE_MS },
      message,
    );
    expect(await kit.answer(again)).toEqual({ lost: ["c"], cancelling: ["b"] });
  });

  it("has no more tasks at once than it said", async () => {
    const kit = await openKit();
    await register(kit, "w", { maxConcurrent: 2 });
    await kit.submit(render("a"), render("b"), render("c"));
    expect((await kit.answer(claim(kit, "w", 10))).leases).toHaveLength(2);
    expect((await kit.answer(claim(kit, "w", 10))).leases).toEqual([]);
    const { blockers } = await kit.answer(kit.queue.explain({ taskId: "c" }, message));
    expect(blockers).toEqual([{ cause: "worker_busy", workerIds: ["w"] }]);
  });

  it("whose attempt fails has used one, and one that gives a task back has not", async () => {
    const kit = await openKit();
    await register(kit, "w");
    await kit.submit({ ...render("a"), attempts: 2 });
    const first = await claimOne(kit, "w");
    const back = { workerId: "w", taskId: "a", token: first.token, end: { kind: "returned" } } as const;
    expect(await kit.answer(kit.queue.finish(back, message))).toEqual({ state: "queued" });
    expect(await kit.status("a")).toMatchObject({ attempt: 0, interruptions: 0 });
    const second = await claimOne(kit, "w");
    const error = toWireError(fault("HANDLER_FAILED", { action: "render", text: "no ink" }));
    const failed = {
      workerId: "w",
      taskId: "a",
      token: second.token,
      end: { kind: "failed", error },
    } as const;
    expect(await kit.answer(kit.queue.finish(failed, message))).toEqual({ state: "queued" });
    const { attempts } = await kit.answer(kit.queue.attempts({ taskId: "a" }, message));
    expect(attempts).toMatchObject([
      { attempt: 1, kind: "failed", workerId: "w", error: { code: "HANDLER_FAILED" } },
    ]);
  });

  it("that unregisters gracefully may finish, and gets nothing new meanwhile", async () => {
    const kit = await openKit();
    await register(kit, "w");
    await kit.submit(render("a"), render("b"));
    const lease = await claimOne(kit, "w");
    const leaving = kit.queue.unregisterWorker({ workerId: "w", graceful: true, timeoutMs: 900 }, message);
    await kit.turns();
    expect((await kit.answer(claim(kit, "w"))).leases).toEqual([]);
    const { blockers } = await kit.answer(kit.queue.explain({ taskId: "b" }, message));
    expect(blockers).toEqual([{ cause: "worker_draining", workerIds: ["w"] }]);
    await finish(kit, "w", lease);
    expect(await kit.answer(leaving)).toEqual({ completed: 1, abandoned: 0 });
    await expect(kit.answer(claim(kit, "w"))).rejects.toEqual(code("UNKNOWN_NAME"));
  });

  it("whose time to unregister is up abandons what it still has, which is queued again, uncharged", async () => {
    const kit = await openKit();
    await register(kit, "w");
    await kit.submit(render("a"));
    await claimOne(kit, "w");
    const leaving = kit.queue.unregisterWorker({ workerId: "w", graceful: true, timeoutMs: 900 }, message);
    await kit.turns();
    await kit.clock.advance(900);
    expect(await kit.answer(leaving)).toEqual({ completed: 0, abandoned: 1 });
    expect(await kit.status("a")).toMatchObject({ state: "queued", attempt: 0 });
  });

  it("keeps its lease and its registration through a restart of the queue", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await register(first, "w");
    await first.submit(render("a"));
    const lease = await claimOne(first, "w");
    first.actor.crash();
    const second = await openKit({ directory, clock: first.clock });
    expect(await second.status("a")).toMatchObject({ state: "running", attempt: 1, interruptions: 0 });
    await finish(second, "w", lease);
    expect(await second.status("a")).toMatchObject({ state: "completed" });
  });

  it("cannot speak for the queue's own pool, nor for another worker", async () => {
    const kit = await openKit();
    await register(kit, "w");
    await register(kit, "other");
    await expect(kit.answer(claim(kit, "local"))).rejects.toEqual(code("INVALID_ARGUMENT"));
    await kit.submit(render("a"));
    const lease = await claimOne(kit, "w");
    await expect(finish(kit, "other", lease)).rejects.toEqual(code("LEASE_LOST"));
  });
});

describe("a capability", () => {
  it("that a task requires keeps it from every worker that does not have it", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", requires: ["gpu"] });
    expect(await kit.status("a")).toMatchObject({ state: "queued" });
    const { blockers } = await kit.answer(kit.queue.explain({ taskId: "a" }, message));
    expect(blockers).toEqual([{ cause: "no_worker", needs: ["gpu"] }]);
    const worker = { workerId: "w", capabilities: ["echo", "gpu"] };
    await kit.answer(kit.queue.registerWorker({ worker }, message));
    expect(await claimOne(kit, "w")).toMatchObject({ taskId: "a" });
  });
});
