import { describe, expect, it } from "vitest";
import { fault, toWireError } from "../../src/errors/index.ts";
import type { Lease } from "../../src/queue/queue.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { openKit, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const LEASE_MS = 1_000;

async function openWith(...taskIds: string[]): Promise<QueueKit> {
  const kit = await openKit();
  const worker = { workerId: "w", capabilities: ["render", "paint"], maxConcurrent: 10 };
  await kit.answer(kit.queue.registerWorker({ worker }, message));
  await kit.submit(...taskIds.map((taskId) => ({ taskId, action: "render" })));
  return kit;
}

async function claimAll(kit: QueueKit, actions?: string[]): Promise<readonly Lease[]> {
  const request = { workerId: "w", max: 10, leaseMs: LEASE_MS, waitMs: 0, ...(actions && { actions }) };
  return (await kit.answer(kit.queue.claim(request, message))).leases;
}

describe("a worker outside is told at once to stop", () => {
  it("what is being cancelled, and nothing else", async () => {
    const kit = await openWith("a", "b", "c");
    await claimAll(kit);
    await kit.answer(kit.queue.cancel({ taskIds: ["a", "c"], reason: "", force: false }, message));
    expect(kit.events("recalled")).toEqual([{ workerId: "w", taskIds: ["a", "c"] }]);
  });

  it("what was cancelled before it started, not at all", async () => {
    const kit = await openWith("a");
    await kit.answer(kit.queue.cancel({ taskIds: ["a"], reason: "", force: false }, message));
    expect(kit.events("recalled")).toEqual([]);
  });

  it("what the queue's own pool has, not at all", async () => {
    const kit = await openWith();
    await kit.submit({ taskId: "here" });
    await kit.answer(kit.queue.cancel({ taskIds: ["here"], reason: "", force: false }, message));
    expect(kit.events("recalled")).toEqual([]);
    expect(kit.pool.cancels).toMatchObject([{ taskId: "here" }]);
  });

  it("what it has lost because its lease ran out", async () => {
    const kit = await openWith("a");
    await claimAll(kit);
    await kit.clock.advance(LEASE_MS);
    await kit.turns();
    expect(kit.events("recalled")).toEqual([{ workerId: "w", taskIds: ["a"] }]);
  });

  it("what is taken from it when somebody unregisters it", async () => {
    const kit = await openWith("a");
    await claimAll(kit);
    await kit.answer(kit.queue.unregisterWorker({ workerId: "w", graceful: false, timeoutMs: 0 }, message));
    expect(kit.events("recalled")).toEqual([{ workerId: "w", taskIds: ["a"] }]);
  });
});

describe("a claim", () => {
  it("that names actions is given tasks of these alone, and wakes for these alone", async () => {
    const kit = await openWith("a");
    expect(await claimAll(kit, ["paint"])).toEqual([]);
    const request = { workerId: "w", max: 10, leaseMs: LEASE_MS, waitMs: 500, actions: ["paint"] };
    const waiting = Promise.resolve(kit.queue.claim(request, message));
    await kit.submit({ taskId: "b", action: "render" }, { taskId: "c", action: "paint" });
    expect((await kit.answer(waiting)).leases).toMatchObject([{ taskId: "c" }]);
    expect(await claimAll(kit)).toMatchObject([{ taskId: "a" }, { taskId: "b" }]);
  });

  it("that waits is answered with nothing when its worker has enough, and other workers wait on", async () => {
    const kit = await openWith();
    const other = { workerId: "v", capabilities: ["render"] };
    await kit.answer(kit.queue.registerWorker({ worker: other }, message));
    const request = { max: 1, leaseMs: LEASE_MS, waitMs: 5_000 };
    const [mine, its] = ["w", "v"].map((workerId) =>
      Promise.resolve(kit.queue.claim({ workerId, ...request }, message)),
    );
    await kit.turns();
    expect(await kit.answer(kit.queue.endClaims({ workerId: "w" }, message))).toEqual({ ended: 1 });
    expect((await mine)?.leases).toEqual([]);
    await kit.submit({ taskId: "a", action: "render" });
    expect((await kit.answer(its ?? Promise.reject(new Error("it asked")))).leases).toMatchObject([
      { taskId: "a" },
    ]);
  });

  it("gives no task for what a worker merely has and does not take", async () => {
    const kit = await openKit();
    const worker = { workerId: "w", capabilities: ["render", "gpu"], actions: ["render"] };
    await kit.answer(kit.queue.registerWorker({ worker }, message));
    await expect(kit.submit({ taskId: "no", action: "gpu" })).rejects.toMatchObject({
      code: "UNKNOWN_ACTION",
    });
    await kit.submit({ taskId: "a", action: "render", requires: ["gpu"] });
    expect(await claimAll(kit)).toMatchObject([{ taskId: "a" }]);
  });
});

describe("an attempt of a worker outside", () => {
  it("that was cut off is not charged, is counted, and says why", async () => {
    const kit = await openWith("a");
    const [lease] = await claimAll(kit);
    const error = toWireError(fault("PEER_LOST", { peerId: "P", why: "it died" }));
    const end = {
      workerId: "w",
      taskId: "a",
      token: lease?.token ?? 0,
      end: { kind: "interrupted", error },
    } as const;
    expect(await kit.answer(kit.queue.finish(end, message))).toEqual({ state: "queued" });
    expect(await kit.status("a")).toMatchObject({ attempt: 0, interruptions: 1 });
    const { attempts } = await kit.answer(kit.queue.attempts({ taskId: "a" }, message));
    expect(attempts).toMatchObject([{ kind: "interrupted", workerId: "w", error: { code: "PEER_LOST" } }]);
  });

  it("is told of with the name of its worker, and one of the own pool with local", async () => {
    const kit = await openWith("a");
    await kit.submit({ taskId: "here" });
    await claimAll(kit);
    expect(kit.events("started")).toMatchObject([
      { taskId: "here", workerId: "local" },
      { taskId: "a", workerId: "w" },
    ]);
  });
});
