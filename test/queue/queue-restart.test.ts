import type { HandlerInfo } from "../../src/compute/index.ts";
import { describe, expect, it } from "vitest";
import { fakeMessage } from "../kit/actor-context.ts";
import { Disk, completed, failedWith, openKit, outputOf, specOf, temporaryDirectory } from "./queue-kit.ts";

const message = fakeMessage();
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe("after a crash", () => {
  it("tasks that were queued run in the same order, and those that ran are interrupted, not charged", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "runs", attempts: 2 }, { taskId: "b" }, { taskId: "high", priority: 4 });
    // Only then did the high one arrive: the running one is not displaced.
    expect(first.pool.runningIds).toEqual(["high"]);
    first.actor.crash();
    const second = await openKit({ directory });
    expect(await second.status("high")).toMatchObject({ state: "running", attempt: 1, interruptions: 1 });
    for (const taskId of ["high", "runs", "b"]) await second.end(taskId);
    expect(second.pool.started.map(({ taskId }) => taskId)).toEqual(["high", "runs", "b"]);
    expect(second.settled().map(({ state }) => state)).toEqual(["completed", "completed", "completed"]);
  });

  it("the next to run is chosen among all tasks, also those that were running", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory, init: { threads: 2 } });
    await first.submit({ taskId: "a" }, { taskId: "b", priority: 9 });
    first.actor.crash();
    const second = await openKit({ directory });
    expect(second.pool.runningIds).toEqual(["b"]);
  });

  it("a task whose process dies under it again and again is failed after the fifth time that was tolerated", async () => {
    const directory = temporaryDirectory();
    for (let life = 0; life <= 5; life += 1) {
      const kit = await openKit({ directory });
      if (life === 0) await kit.submit({ taskId: "a" });
      expect(await kit.status("a")).toMatchObject({ state: "running", attempt: 1, interruptions: life });
      kit.actor.crash();
    }
    const last = await openKit({ directory });
    expect(last.settled()).toMatchObject([{ state: "failed", error: { code: "TASK_INTERRUPTED" } }]);
  });

  it("a task that was being cancelled is cancelled, with the reason that was given", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" });
    await first.answer(first.queue.cancel({ taskIds: ["a"], reason: "too slow", force: false }, message));
    first.actor.crash();
    const second = await openKit({ directory });
    expect(second.settled()).toMatchObject([
      { taskId: "a", state: "cancelled", error: { code: "CANCELLED", details: { reason: "too slow" } } },
    ]);
    expect(second.poolOpened).toBe(false);
  });

  it("what had ended is as it was, output, error and group with it, and its id is still taken", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "good", group: "g" }, { taskId: "bad", group: "g" });
    await first.end("good", completed({ rows: [1, 2] }));
    await first.end("bad", failedWith("boom"));
    const page = { group: "g", offset: 0, limit: 10 };
    const before = await first.answer(first.queue.group(page, message));
    first.actor.crash();
    const second = await openKit({ directory });
    const after = await second.answer(second.queue.group(page, message));
    expect(after).toEqual(before);
    expect(after.tasks.map(outputOf)).toEqual([{ rows: [1, 2] }, null]);
    await expect(second.submit({ taskId: "good", action: "sleep" })).rejects.toEqual(code("ALREADY_EXISTS"));
  });

  it("tasks whose handlers are not loaded wait for them, and are not failed", async () => {
    const directory = temporaryDirectory();
    const modules = ["file:///tasks.js"];
    const handlers: HandlerInfo[] = [
      {
        name: "fetch",
        description: "",
        module: modules[0] ?? "",
        isolation: "thread",
        timeoutMs: null,
        moduleSha256: "",
      },
    ];
    const first = await openKit({ directory, init: { modules }, handlers });
    await first.submit({ taskId: "a", action: "fetch" });
    first.actor.crash();
    const without = await openKit({ directory });
    expect(await without.status("a")).toMatchObject({ state: "queued", attempt: 0 });
    const { blockers } = await without.answer(without.queue.explain({ taskId: "a" }, fakeMessage()));
    expect(blockers).toEqual([{ cause: "no_worker", needs: ["fetch"] }]);
    without.actor.crash();
    const withThem = await openKit({ directory, init: { modules }, handlers });
    expect(withThem.pool.runningIds).toEqual(["a"]);
  });

  it("fencing tokens go on above all that were given", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" });
    first.actor.crash();
    const second = await openKit({ directory });
    expect(second.pool.started.map(({ token }) => token)).toEqual([2]);
  });

  it("also above those of tasks that have left since", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submitAlone({ taskId: "a" });
    await first.end("a");
    await first.clock.advance(604_800_000);
    first.actor.crash();
    const second = await openKit({ directory, clock: first.clock });
    await expect(second.status("a")).rejects.toEqual(code("TASK_NOT_FOUND"));
    second.actor.crash();
    const third = await openKit({ directory, clock: first.clock });
    await third.submit({ taskId: "b" });
    expect(third.pool.started.map(({ token }) => token)).toEqual([2]);
  });

  it("what the old life still reports changes nothing", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" });
    first.actor.crash();
    const second = await openKit({ directory });
    first.pool.end("a", completed("late"));
    await first.turns();
    await first.clock.advance(60_000);
    expect(await second.status("a")).toMatchObject({ state: "running", interruptions: 1 });
    await second.end("a", completed("in time"));
    expect(second.settled().map(outputOf)).toEqual(["in time"]);
  });

  it("the interruptions are tried again when their first commit fails, and only then does a handler start", async () => {
    const directory = temporaryDirectory();
    const disk = new Disk();
    const first = await openKit({ directory, disk });
    await first.submit({ taskId: "a" });
    first.actor.crash();
    await first.turns();
    // Opening the file takes one transaction; the interruption finds no room.
    disk.room = 1;
    const second = await openKit({ directory, disk });
    expect(second.poolOpened).toBe(false);
    disk.room = Infinity;
    await second.clock.advance(50);
    await second.turns();
    expect(second.pool.runningIds).toEqual(["a"]);
    expect(await second.status("a")).toMatchObject({ interruptions: 1 });
  });

  it("nothing else has the places of those whose interruption could not be written, wherever they ran", async () => {
    const directory = temporaryDirectory();
    const modules = ["file:///tasks.js"];
    const more = { description: "", module: modules[0] ?? "", timeoutMs: null, moduleSha256: "" };
    const handlers: HandlerInfo[] = [{ name: "fetch", isolation: "thread", ...more }];
    const disk = new Disk();
    const first = await openKit({ directory, disk, init: { modules }, handlers });
    await first.submit({ taskId: "a", action: "fetch" }, { taskId: "b", action: "fetch" });
    first.actor.crash();
    disk.room = 1;
    const described = Promise.withResolvers<HandlerInfo[]>();
    const second = await openKit({ directory, disk, init: { modules }, handlers: described.promise });
    disk.room = Infinity;
    described.resolve(handlers);
    await second.turns();
    expect(second.pool.runningIds).toEqual([]);
    await second.clock.advance(50);
    await second.turns();
    expect(second.pool.runningIds).toEqual(["a"]);
  });
});

describe("a stop", () => {
  it("claims nothing more and lets running handlers end by themselves", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.submit({ taskId: "a" }, { taskId: "b" });
    const stopped = first.actor.stop();
    await first.end("a", completed("just in time"));
    await stopped;
    expect(first.pool.started.map(({ taskId }) => taskId)).toEqual(["a"]);
    const second = await openKit({ directory });
    const outcome = await second.answer(second.queue.outcome({ taskId: "a" }, message));
    expect(outputOf(outcome)).toBe("just in time");
    expect(second.pool.runningIds).toEqual(["b"]);
  });

  it("hands the attempts of the others back, neither charged nor counted, and refuses what they still report", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory, init: { threads: 2 } });
    await first.submit({ taskId: "a" }, { taskId: "b" });
    await first.answer(first.queue.cancel({ taskIds: ["b"], reason: "r", force: false }, message));
    await first.stop();
    expect(first.pool.closedWithGraceMs).toBe(2_500);
    // The pool reports them interrupted when it closes: too late, under a token that was handed back.
    expect(first.actor.logged).toContainEqual(expect.objectContaining({ level: "debug", task: "a" }));
    const second = await openKit({ directory });
    expect(await second.status("a")).toMatchObject({ state: "running", attempt: 1, interruptions: 0 });
    expect(await second.status("b")).toMatchObject({ state: "cancelled" });
  });

  it("with a full disk leaves running tasks to the next life, which interrupts them", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory, init: { threads: 2 } });
    await first.submit({ taskId: "ended" }, { taskId: "runs" });
    first.disk.room = 0;
    await first.end("ended");
    await first.stop();
    expect(first.actor.logged).toContainEqual(
      expect.objectContaining({ level: "warn", message: "running tasks could not be handed back" }),
    );
    const second = await openKit({ directory, init: { threads: 2 } });
    expect(await second.status("runs")).toMatchObject({ state: "running", interruptions: 1 });
    expect(await second.status("ended")).toMatchObject({ state: "running", interruptions: 1 });
  });

  it("refuses work that comes after it", async () => {
    const kit = await openKit();
    await kit.stop();
    await expect(kit.answer(kit.queue.submit({ tasks: [specOf({ taskId: "a" })] }, message))).rejects.toEqual(
      code("STORE_FAILED"),
    );
  });
});
