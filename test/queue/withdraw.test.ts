import { describe, expect, it } from "vitest";
import { fakeMessage } from "../kit/actor-context.ts";
import { failedWith, openKit, temporaryDirectory, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

const withdraw = async (kit: QueueKit, ...taskIds: string[]): Promise<string[]> =>
  (await kit.answer(kit.queue.withdraw({ taskIds }, message))).withdrawn;

const groupOf = async (kit: QueueKit): Promise<string[]> => {
  const page = { group: "kit", offset: 0, limit: 1_000 };
  return (await kit.answer(kit.queue.group(page, message))).tasks.map(({ taskId }) => taskId);
};

describe("tasks that are withdrawn", () => {
  it("are gone as if they had never been submitted, and their ids are free", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a" }, { taskId: "b" }, { taskId: "c" });
    expect(await withdraw(kit, "b", "b", "nobody")).toEqual(["b"]);
    expect(await groupOf(kit)).toEqual(["a", "c"]);
    await expect(kit.status("b")).rejects.toEqual(code("TASK_NOT_FOUND"));
    expect(kit.settled()).toEqual([]);
    expect(await kit.answer(kit.queue.stats(undefined, message))).toMatchObject({ queued: 1, cancelled: 0 });
    await kit.submit({ taskId: "b", input: new Uint8Array([0xc0]) });
    await kit.end("a");
    await kit.end("c");
    expect(kit.pool.runningIds).toEqual(["b"]);
  });

  it("are on disk as gone, so a crash brings none of them back, and no sequence is given twice", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" }, { taskId: "b" });
    await withdraw(first, "b");
    first.actor.crash();
    const second = await openKit({ directory });
    expect(await groupOf(second)).toEqual(["a"]);
    await second.submit({ taskId: "c" }, { taskId: "b" });
    second.actor.crash();
    expect(await groupOf(await openKit({ directory }))).toEqual(["a", "c", "b"]);
  });

  it("come back where they stood when the disk refuses, and run", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory });
    await kit.submit({ taskId: "a" }, { taskId: "b" }, { taskId: "c" });
    kit.disk.room = 0;
    await expect(withdraw(kit, "b")).rejects.toEqual(code("STORE_FULL"));
    expect(await groupOf(kit)).toEqual(["a", "b", "c"]);
    kit.disk.room = Infinity;
    await kit.end("a");
    expect(kit.pool.runningIds).toEqual(["b"]);
  });

  it("are only those that no attempt was made of", async () => {
    const kit = await openKit();
    await kit.submit(
      { taskId: "running", priority: 9 },
      { taskId: "again", priority: 8, attempts: 2, backoff: { shape: "fixed", delayMs: 1_000 } },
      { taskId: "delayed", delayMs: 1_000 },
    );
    await kit.end("running");
    await kit.end("again", failedWith("once"));
    expect(await withdraw(kit, "running", "again", "delayed")).toEqual(["delayed"]);
    await kit.clock.advance(1_000);
    await kit.turns();
    expect(kit.pool.runningIds).toEqual(["again"]);
    expect(await withdraw(kit, "again")).toEqual([]);
  });

  it("are none that others, or callers, wait for", async () => {
    const kit = await openKit();
    await kit.submit(
      { taskId: "first" },
      { taskId: "a" },
      { taskId: "b", dependsOn: ["a"] },
      { taskId: "c" },
    );
    const waiting = Promise.resolve(kit.queue.wait({ taskId: "c" }, message));
    waiting.catch(() => undefined);
    await kit.turns();
    expect(await withdraw(kit, "a", "b", "c")).toEqual(["b"]);
    expect(await withdraw(kit, "a")).toEqual(["a"]);
  });

  it("are no more than one call may name", async () => {
    const kit = await openKit();
    const taskIds = Array.from({ length: 10_001 }, (_, at) => `t${at}`);
    await expect(withdraw(kit, ...taskIds)).rejects.toEqual(code("INVALID_ARGUMENT"));
  });
});
