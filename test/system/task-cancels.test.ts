import { describe, expect, it } from "vitest";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { TaskCancels, type CancellingQueue } from "../../src/system/task-cancels.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

const full = (unit: "messages" | "calls in flight"): Error =>
  fault("MAILBOX_FULL", { actor: "queue", limit: 8, unit });

/** A queue that refuses the first calls in the given ways, and says when it has room. */
function openQueue(...refusals: Error[]) {
  const asked: { taskIds: string[]; reason: string }[] = [];
  const room = Promise.withResolvers<void>();
  const queue: CancellingQueue = {
    call: {
      cancel: ({ taskIds, reason }) => {
        asked.push({ taskIds, reason });
        const refusal = refusals.shift();
        if (refusal !== undefined) return Promise.reject(refusal);
        return Promise.resolve({ cancelled: taskIds.length, cancelling: 0 });
      },
    },
    ready: () => Promise.resolve(),
    writable: () => room.promise,
  };
  return { asked, room, cancels: new TaskCancels(queue) };
}

describe("withdrawals of single tasks", () => {
  it("of one moment travel together, by their reasons and in batches", async () => {
    const { asked, cancels } = openQueue();
    const ids = Array.from({ length: LIMITS.queue.batchTasks + 1 }, (_, index) => `t${index}`);
    await Promise.all([...ids.map((id) => cancels.cancel(id, "enough")), cancels.cancel("x", "too late")]);
    expect(asked.map(({ taskIds, reason }) => [taskIds.length, reason])).toEqual([
      [LIMITS.queue.batchTasks, "enough"],
      [1, "enough"],
      [1, "too late"],
    ]);
    await cancels.cancel("y", "enough");
    expect(asked.at(-1)).toEqual({ taskIds: ["y"], reason: "enough" });
  });

  it("wait for room in the mailbox", async () => {
    const { asked, room, cancels } = openQueue(full("messages"));
    let isTold = false;
    const told = cancels.cancel("a", "enough").then(() => (isTold = true));
    await microtasksDrained();
    expect([isTold, asked.length]).toEqual([false, 1]);
    room.resolve();
    await told;
    expect(asked).toHaveLength(2);
  });

  it("are refused where no room can come, and when the queue is gone for good", async () => {
    const crowded = openQueue(full("calls in flight"));
    await expect(crowded.cancels.cancel("a", "enough")).rejects.toMatchObject({ code: "MAILBOX_FULL" });
    const stopped = openQueue(full("messages"));
    stopped.room.reject(fault("ACTOR_STOPPED", { actor: "queue" }));
    await expect(stopped.cancels.cancel("a", "enough")).rejects.toMatchObject({ code: "MAILBOX_FULL" });
  });

  it("do not fail because one of them comes for a task that has left", async () => {
    const { asked, cancels } = openQueue(fault("TASK_NOT_FOUND", { taskId: "b" }));
    const told = ["a", "b", "c"].map((id) => cancels.cancel(id, "enough"));
    expect(await Promise.allSettled(told)).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: { code: "TASK_NOT_FOUND" } },
      { status: "fulfilled" },
    ]);
    expect(asked.map(({ taskIds }) => taskIds)).toEqual([
      ["a", "b", "c"],
      ["a", "c"],
    ]);
  });

  it("survive a restart of the queue", async () => {
    const { asked, cancels } = openQueue(fault("ACTOR_RESTARTING", { actor: "queue" }));
    await cancels.cancel("a", "enough");
    expect(asked).toHaveLength(2);
  });
});
