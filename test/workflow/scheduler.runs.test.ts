import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { packValue } from "../../src/codec/index.ts";
import { fault } from "../../src/errors/index.ts";
import { openStore } from "../../src/store/index.ts";
import { contentKey } from "../../src/workflow/content-key.ts";
import { RUN_MIGRATIONS, RunRows } from "../../src/workflow/run.rows.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { SchedulerKit, openKit, watch } from "./kit/scheduler-kit.ts";

const ONE = workflow([step("a")]);

describe("an idempotency key", () => {
  const KEYED = workflow([step("a")], { idempotencyKey: "k" });

  it("leads to the run that was submitted with it, whatever the id, and says so", async () => {
    await using kit = await openKit();
    expect(await kit.submit(KEYED)).toMatchObject({ workflowId: "w", replayed: false });
    expect(await kit.submit({ ...KEYED, workflowId: "v" })).toMatchObject({
      workflowId: "w",
      state: "running",
      replayed: true,
    });
    await kit.finish();
    await kit.restart();
    expect(await kit.submit({ ...KEYED, workflowId: "v" })).toMatchObject({
      workflowId: "w",
      state: "completed",
      replayed: true,
    });
    expect(kit.queue.tasks.size).toBe(1);
  });

  it("is refused with other work, and nothing is kept of that", async () => {
    await using kit = await openKit();
    await kit.submit(KEYED);
    const other = { ...KEYED, workflowId: "v", priority: 2 };
    await expect(kit.submit(other)).rejects.toMatchObject({
      code: "IDEMPOTENCY_CONFLICT",
      message: 'the idempotency key "k" belongs to workflow "w", whose work is another',
    });
    await expect(kit.status("v")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });

  it("counts from when it is sent, not from when its run is on disk", async () => {
    await using kit = await openKit();
    const ids = ["w", "v", "u"];
    const all = ids.map((workflowId) =>
      watch(kit.call.submit({ definition: { ...KEYED, workflowId } }, fakeMessage())),
    );
    const other = watch(
      kit.call.submit({ definition: { ...KEYED, workflowId: "t", priority: 5 } }, fakeMessage()),
    );
    await kit.settle();
    expect(all.map(({ value }) => [value?.workflowId, value?.replayed])).toEqual([
      ["w", false],
      ["w", true],
      ["w", true],
    ]);
    expect(other.error).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });
});

describe("the deadline of a run", () => {
  it("stops it, by the clock, and its tasks with it", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b"), step("c", ["a"])], { timeoutMs: 500 }));
    kit.queue.start("a");
    await kit.clock.advance(499);
    await kit.settle();
    expect(await kit.states()).toBe("a:running b:ready c:pending");
    await kit.clock.advance(1);
    await kit.settle();
    expect(await kit.states()).toBe("a:running b:cancelled c:cancelled");
    expect(kit.queue.task("a").state).toBe("cancelling");
    kit.queue.settle("a", "cancelled");
    await kit.settle();
    expect(await kit.status()).toMatchObject({ state: "failed", error: { code: "DEADLINE_EXCEEDED" } });
  });

  it("is kept through a restart, before and after it has passed", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b", ["a"])], { timeoutMs: 500 }));
    kit.queue.start("a");
    await kit.settle();
    await kit.restart();
    await kit.settle();
    await kit.clock.advance(500);
    await kit.settle();
    await kit.restart();
    await kit.settle();
    expect(await kit.states()).toBe("a:running b:cancelled");
    kit.queue.settle("a", "completed");
    await kit.settle();
    expect(await kit.status()).toMatchObject({
      state: "failed",
      error: { code: "DEADLINE_EXCEEDED" },
    });
  });

  it("stops a run that is taken up after it has passed", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")], { deadlineMs: kit.clock.wallNow() + 100 }));
    await kit.crash();
    await kit.clock.advance(101);
    await kit.start();
    await kit.settle();
    await kit.clock.advance(1);
    await kit.settle();
    expect((await kit.status()).state).toBe("failed");
  });

  it("does nothing to a run that has ended", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")], { timeoutMs: 500 }));
    await kit.finish();
    await kit.clock.advance(1_000);
    await kit.settle();
    expect((await kit.status()).state).toBe("completed");
  });
});

describe("a run that waits for others", () => {
  const waiting = (...dependencies: string[]) =>
    workflow([step("b")], { workflowId: "waiting", dependencies });

  it("starts when all have completed, which may have been before", async () => {
    await using kit = await openKit();
    await kit.submit({ ...ONE, workflowId: "u" });
    await kit.finish();
    await kit.submit({ ...ONE, workflowId: "v" });
    expect(await kit.submit(waiting("u", "v"))).toMatchObject({ state: "submitted" });
    expect(await kit.status("waiting")).toMatchObject({ state: "submitted", waitsFor: ["v"] });
    const listed = await kit.call.list({ offset: 0, limit: 9, states: ["submitted"] }, fakeMessage());
    expect(listed.runs.map(({ workflowId }) => workflowId)).toEqual(["waiting"]);
    await kit.finish();
    expect((await kit.status("waiting")).state).toBe("completed");
  });

  it("fails when one of them has failed or was cancelled, which may have been before", async () => {
    await using kit = await openKit();
    kit.queue.fateOf = () => "failed";
    await kit.submit({ ...ONE, workflowId: "u" });
    await kit.finish();
    await kit.submit(waiting("u"));
    expect(await kit.status("waiting")).toMatchObject({
      state: "failed",
      error: { code: "DEPENDENCY_FAILED", cause: { code: "WORKFLOW_FAILED" } },
      steps: [{ state: "skipped", error: { code: "DEPENDENCY_FAILED" } }],
    });
    await kit.submit({ ...ONE, workflowId: "v" });
    await kit.submit({ ...waiting("v"), workflowId: "later" });
    watch(kit.call.cancel({ workflowId: "v", reason: "enough", force: false }, fakeMessage()));
    await kit.settle();
    expect((await kit.status("later")).error?.message).toBe(
      'workflow "later" cannot run: "v", on which it depends, is cancelled',
    );
  });

  it("takes those along that wait for it in turn", async () => {
    await using kit = await openKit();
    kit.queue.fateOf = () => "failed";
    await kit.submit({ ...ONE, workflowId: "r0" });
    for (let n = 1; n < 5; n++)
      await kit.submit({ ...ONE, workflowId: `r${n}`, dependencies: [`r${n - 1}`] });
    await kit.finish();
    const { runs } = await kit.call.list({ offset: 0, limit: 9, states: ["failed"] }, fakeMessage());
    expect(runs.length).toBe(5);
    expect(kit.queue.tasks.size).toBe(1);
  });

  it("is refused when there is no such run", async () => {
    await using kit = await openKit();
    await expect(kit.submit(waiting("nobody"))).rejects.toMatchObject({
      code: "WORKFLOW_INVALID",
      details: { problems: ['it waits for the workflow "nobody", which there is not'] },
    });
  });

  it("goes on waiting, or starts, or fails, after a restart", async () => {
    await using kit = await openKit();
    for (const workflowId of ["u", "v", "x"]) await kit.submit({ ...ONE, workflowId });
    await kit.submit({ ...waiting("u"), workflowId: "starts" });
    await kit.submit({ ...waiting("u", "v"), workflowId: "waits" });
    await kit.submit({ ...waiting("x"), workflowId: "fails" });
    await kit.restart();
    await kit.settle();
    kit.queue.settle("u/a/0/0", "completed");
    await kit.settle();
    kit.queue.settle("x/a/0/0", "failed");
    // The end of the other is on disk, and those that wait for it have not heard.
    while ((await kit.status("x")).state !== "failed") await kit.turns.step();
    await kit.restart();
    await kit.settle();
    const states = await Promise.all(["starts", "waits", "fails"].map((id) => kit.status(id)));
    expect(states.map(({ state }) => state)).toEqual(["running", "submitted", "failed"]);
    await kit.restart();
    await kit.finish();
    expect((await kit.status("waits")).state).toBe("completed");
  });
});

describe("a paused run", () => {
  const TWO = workflow([step("a"), step("b"), step("c", ["a"])]);
  const pause = (kit: SchedulerKit, workflowId = "w") =>
    kit.answer(kit.call.pause({ workflowId, reason: "a repair" }, fakeMessage()));
  const resume = (kit: SchedulerKit, workflowId = "w") =>
    kit.answer(kit.call.resume({ workflowId }, fakeMessage()));
  const openIds = (kit: SchedulerKit): string[] => kit.queue.open.map(({ taskId }) => taskId).toSorted();

  it("leaves only what runs in the queue, and goes on when it is resumed", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    kit.queue.start("a");
    await kit.settle();
    expect((await pause(kit)).state).toBe("paused");
    expect(openIds(kit)).toEqual(["w/a/0/0"]);
    kit.queue.settle("a");
    await kit.settle();
    expect(openIds(kit)).toEqual([]);
    expect(await kit.states()).toBe("a:completed b:ready c:ready");
    const { runs } = await kit.call.list({ offset: 0, limit: 9, states: ["paused"] }, fakeMessage());
    expect(runs.length).toBe(1);
    expect((await resume(kit)).state).toBe("running");
    expect(openIds(kit)).toEqual(["w/b/0/1", "w/c/0/1"]);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
    expect(Object.keys((await kit.result()).outputs)).toEqual(["a", "b", "c"]);
  });

  it("stays paused through restarts of everyone, and what had ended does not run again", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    kit.queue.start("a");
    kit.queue.settle("a");
    await kit.settle();
    await pause(kit);
    await kit.restart();
    kit.queue.kill();
    kit.queue.link.revive();
    await kit.settle();
    expect([(await kit.status()).state, openIds(kit)]).toEqual(["paused", []]);
    await resume(kit);
    await kit.restart();
    await kit.settle();
    expect([(await kit.status()).state, openIds(kit)]).toEqual(["running", ["w/b/0/1", "w/c/0/1"]]);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
  });

  it("whose scheduler died before the queue was asked has its tasks taken back by the next life", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    const before = openIds(kit);
    kit.queue.link.kill();
    watch(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
    await kit.settle();
    await kit.crash();
    kit.queue.link.revive();
    expect(openIds(kit)).toEqual(before);
    await kit.start();
    await kit.settle();
    expect([(await kit.status()).state, openIds(kit)]).toEqual(["paused", []]);
  });

  it("is resumed only when its tasks have been taken back, whatever died meanwhile", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    kit.queue.link.kill();
    watch(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
    watch(kit.call.resume({ workflowId: "w" }, fakeMessage()));
    await kit.settle();
    kit.queue.link.revive();
    await kit.settle();
    expect(openIds(kit)).toEqual(["w/a/0/1", "w/b/0/1"]);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
  });

  it("goes on when its tasks were gone from the queue before it asked for them back", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    watch(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
    while (!kit.queue.link.calls.has("withdraw")) await kit.turns.step();
    // As if an earlier life had asked just before it died.
    kit.queue.tasks.clear();
    await kit.settle();
    await resume(kit);
    expect(openIds(kit)).toEqual(["w/a/0/1", "w/b/0/1"]);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
  });

  it("that has ended or is being cancelled cannot be paused or resumed; one that runs is as if it had been", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    expect((await resume(kit)).state).toBe("running");
    await pause(kit);
    expect((await pause(kit)).state).toBe("paused");
    await resume(kit);
    expect(kit.queue.task("a").taskId).toBe("w/a/0/1");
    kit.queue.start("a");
    await kit.settle();
    watch(kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()));
    await kit.settle();
    await expect(pause(kit)).rejects.toMatchObject({
      code: "WORKFLOW_ENDED",
      message: 'workflow "w" is cancelling: it cannot be paused',
    });
    kit.queue.settle("a", "cancelled");
    await kit.settle();
    await expect(resume(kit)).rejects.toMatchObject({
      code: "WORKFLOW_ENDED",
      details: { state: "cancelled" },
    });
    await expect(pause(kit, "nope")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });

  it("can be cancelled, and fails when its time is over", async () => {
    await using kit = await openKit();
    await kit.submit(TWO);
    await pause(kit);
    const cancelled = watch(kit.call.cancel({ workflowId: "w", reason: "no", force: false }, fakeMessage()));
    await kit.settle();
    expect(cancelled.value?.state).toBe("cancelled");
    await kit.submit({ ...TWO, workflowId: "v", timeoutMs: 100 });
    await pause(kit, "v");
    await kit.clock.advance(100);
    await kit.settle();
    expect(await kit.status("v")).toMatchObject({ state: "failed", error: { code: "DEADLINE_EXCEEDED" } });
  });
});

describe("a rerun", () => {
  const STEPS = [
    step("a"),
    step("b", ["a"], { inputs: { x: "${{ steps.a.output.id }}" } }),
    step("c", ["b"], { inputs: { x: "${{ steps.b.output.id }}" } }),
    step("d", ["a"]),
  ];
  const rerun = (kit: SchedulerKit, more: { workflowId?: string; as?: string; from?: string[] } = {}) =>
    kit.answer(kit.call.rerun({ workflowId: "w", ...more }, fakeMessage()));

  async function failed(kit: SchedulerKit, more = {}): Promise<void> {
    kit.queue.fateOf = (id) => (id === "b" ? "failed" : "completed");
    await kit.submit(workflow(STEPS, more));
    await kit.finish();
    expect(await kit.states()).toBe("a:completed b:failed c:skipped d:completed");
    kit.queue.fateOf = () => "completed";
  }

  it("runs what did not complete again, takes the rest over, and names its origin", async () => {
    await using kit = await openKit();
    await failed(kit);
    expect(await rerun(kit)).toMatchObject({ workflowId: "w~2", origin: "w", replayed: false });
    expect(await kit.states("w~2")).toBe("a:completed b:ready c:pending d:completed");
    await kit.finish();
    const { steps, state, outputs } = await kit.result("w~2");
    expect(state).toBe("completed");
    expect(steps.map(({ reused }) => reused)).toEqual([true, false, false, true]);
    expect(Object.keys(outputs)).toEqual(["a", "b", "c", "d"]);
    const ran = [...kit.queue.tasks.values()].filter(({ group }) => group === "w~2");
    expect(ran.map(({ taskId }) => taskId)).toEqual(["w~2/b/0/0", "w~2/c/0/0"]);
    expect((await kit.status()).state).toBe("failed");
  });

  it("runs what is named, and all that waits for it, again", async () => {
    await using kit = await openKit();
    await kit.submit(workflow(STEPS));
    await kit.finish();
    await rerun(kit, { from: ["b"], as: "again" });
    expect(await kit.states("again")).toBe("a:completed b:ready c:pending d:completed");
    await kit.finish();
    expect((await kit.status("again")).state).toBe("completed");
  });

  it("of a rerun takes over what that had taken over, and is numbered on", async () => {
    await using kit = await openKit();
    await failed(kit);
    kit.queue.fateOf = (id) => (id === "c" ? "failed" : "completed");
    await rerun(kit);
    await kit.finish();
    kit.queue.fateOf = () => "completed";
    expect(await rerun(kit, { workflowId: "w~2" })).toMatchObject({ workflowId: "w~3", origin: "w~2" });
    expect(await kit.states("w~3")).toBe("a:completed b:completed c:ready d:completed");
    expect((await rerun(kit)).workflowId).toBe("w~4");
  });

  it("keeps what it has taken over through a restart, and when its origin is gone", async () => {
    await using kit = await openKit();
    await failed(kit);
    await rerun(kit);
    for (const [taskId, { group }] of kit.queue.tasks) if (group === "w") kit.queue.tasks.delete(taskId);
    await kit.restart();
    await kit.settle();
    expect(await kit.states("w~2")).toBe("a:completed b:ready c:pending d:completed");
    await kit.finish();
    expect((await kit.result("w~2")).steps.map(({ reused }) => reused)).toEqual([true, false, false, true]);
  });

  it("under an id that was given is made once, however often it is asked for", async () => {
    await using kit = await openKit();
    await failed(kit);
    expect(await rerun(kit, { as: "v" })).toMatchObject({ workflowId: "v", replayed: false });
    expect(await rerun(kit, { as: "v" })).toMatchObject({ workflowId: "v", replayed: true });
    await expect(rerun(kit, { as: "v", from: ["a"] })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(rerun(kit, { as: "w" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("has neither the key nor the past deadline of its origin, and waits only for what still runs", async () => {
    await using kit = await openKit();
    await kit.submit({ ...ONE, workflowId: "done" });
    await kit.finish();
    await failed(kit, {
      idempotencyKey: "k",
      deadlineMs: kit.clock.wallNow() + 1_000,
      dependencies: ["done"],
    });
    await kit.clock.advance(2_000);
    expect(await rerun(kit)).toMatchObject({ deadlineMs: null, waitsFor: [] });
    await kit.finish();
    expect((await kit.status("w~2")).state).toBe("completed");
  });

  it("needs a run that has ended, steps that there are, and something to do", async () => {
    await using kit = await openKit();
    await kit.submit(workflow(STEPS));
    await expect(rerun(kit)).rejects.toMatchObject({ code: "WORKFLOW_NOT_FINISHED" });
    await expect(rerun(kit, { workflowId: "nope" })).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    await kit.finish();
    await expect(rerun(kit)).rejects.toMatchObject({
      message: "from is missing; allowed is steps to run again: all of them have completed",
    });
    await expect(rerun(kit, { from: ["zz"] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(rerun(kit, { from: "a" as unknown as string[] })).rejects.toMatchObject({
      message: "from is string; allowed is a list of ids of steps",
    });
    kit.queue.tasks.clear();
    await expect(rerun(kit, { from: ["c"] })).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  });
});

describe("the history of a run", () => {
  const history = (kit: SchedulerKit, offset = 0, limit = 100, workflowId = "w") =>
    kit.answer(kit.call.history({ workflowId, offset, limit }, fakeMessage()));

  it("is what was told of it, while it lives and when it has ended", async () => {
    await using kit = await openKit();
    await kit.submit(ONE);
    kit.queue.start("a");
    kit.queue.progress("a", 0.5, "half");
    await kit.settle();
    const live = await history(kit);
    expect(live.events.map(({ sequence, stepState, message }) => [sequence, stepState, message])).toEqual([
      [1, null, null],
      [2, "ready", null],
      [3, "running", null],
      [4, "running", "half"],
    ]);
    await kit.finish();
    await kit.restart();
    const kept = await history(kit);
    expect(kept.events.slice(0, 4)).toEqual(live.events);
    expect(kept.events.at(-1)).toMatchObject({ state: "completed", stepId: null });
    expect(await history(kit, 1, 2)).toMatchObject({ events: kept.events.slice(1, 3), total: 6, dropped: 0 });
  });

  it("is, after a restart, what the tasks tell, and what happens from then on", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b", ["a"])]));
    kit.queue.start("a");
    kit.queue.settle("a");
    await kit.settle();
    await kit.restart();
    await kit.finish();
    const { events } = await history(kit);
    expect(
      events.map(({ sequence, stepId, stepState, message }) => [sequence, stepId, stepState, message]),
    ).toEqual([
      [0, null, null, null],
      [0, "a", "running", null],
      [0, "a", "completed", null],
      [1, null, null, "resumed after a restart: 1 of 2 steps had ended"],
      [2, "b", "running", null],
      [3, "b", "completed", null],
      [4, null, null, null],
    ]);
  });

  it("of a run of an earlier version is what its steps tell", async () => {
    await using kit = await openKit();
    await kit.submit(ONE);
    await kit.finish();
    await kit.crash();
    const { clock, turns: scheduler } = kit;
    const path = join(kit.directory, "scheduler.sqlite");
    const store = openStore({ path, migrations: RUN_MIGRATIONS, clock, scheduler });
    const forgotten = store.write((db) => void db.prepare("UPDATE runs SET history = NULL").run());
    await scheduler.runAll();
    await forgotten;
    await store.close();
    await kit.start();
    expect((await history(kit)).events.map(({ stepState }) => stepState)).toEqual([
      null,
      "running",
      "completed",
    ]);
  });

  it("of an unknown run, and a page that there cannot be, are errors", async () => {
    await using kit = await openKit();
    await expect(history(kit)).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    await expect(history(kit, -1)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a run that more urgent ones wait for", () => {
  const prioritiesOf = (kit: SchedulerKit): Record<string, number> =>
    Object.fromEntries(kit.queue.open.map(({ taskId, priority }) => [taskId, priority]));
  const urgent = (workflowId: string, priority: number, ...dependencies: string[]) =>
    workflow([step("z")], { workflowId, priority, dependencies });

  it("is as urgent as they are, across any number of runs between, and no longer than they wait", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")], { workflowId: "r0" }));
    await kit.submit(workflow([step("b")], { workflowId: "r1", dependencies: ["r0"] }));
    await kit.submit(urgent("r2", 7, "r1"));
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r0/a/0/0": 7 });
    await kit.submit(urgent("r3", 9, "r0"));
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r0/a/0/0": 9 });
    await kit.answer(kit.call.cancel({ workflowId: "r3", reason: "no", force: false }, fakeMessage()));
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r0/a/0/0": 7 });
    kit.queue.settle("r0/a/0/0");
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r1/b/0/0": 7 });
  });

  it("is so after a restart too, and the queue is told what it had not heard", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")], { workflowId: "r0" }));
    kit.queue.link.refusals.push({
      member: "reprioritize",
      error: fault("STORE_FULL", { path: "queue.sqlite" }),
    });
    await kit.submit(urgent("r1", 7, "r0"));
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r0/a/0/0": 1 });
    await kit.restart();
    await kit.settle();
    expect(prioritiesOf(kit)).toEqual({ "r0/a/0/0": 7 });
  });

  it("is tried again when the queue could not hear of it, and not when its task has ended", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b")], { workflowId: "r0" }));
    const full = fault("STORE_FULL", { path: "queue.sqlite" });
    for (let n = 0; n < 2; n++) kit.queue.link.refusals.push({ member: "reprioritize", error: full });
    kit.queue.tasks.delete("r0/b/0/0");
    await kit.submit(urgent("r1", 7, "r0"));
    await kit.clock.advance(200);
    await kit.settle();
    expect(prioritiesOf(kit)["r0/a/0/0"]).toBe(7);
    const asked = kit.queue.link.calls.get("reprioritize");
    await kit.clock.advance(60_000);
    await kit.settle();
    expect(kit.queue.link.calls.get("reprioritize")).toBe(asked);
  });
});

describe("what is known of handlers", () => {
  it("is remembered with the run, and a change is said after a restart of the queue or of the scheduler", async () => {
    await using kit = await openKit();
    kit.queue.modules.set("echo", "ab");
    await kit.submit(workflow([step("a"), step("b", ["a"])]));
    expect((await kit.status()).handlersChanged).toEqual([]);
    kit.queue.kill();
    kit.queue.modules.set("echo", "cd");
    kit.queue.link.revive();
    await kit.settle();
    expect((await kit.status()).handlersChanged).toEqual(["echo"]);
    await kit.restart();
    await kit.settle();
    expect((await kit.status()).handlersChanged).toEqual(["echo"]);
    await kit.finish();
    expect((await kit.status()).handlersChanged).toEqual(["echo"]);
  });

  it("keeps nobody from going on while a module cannot be loaded", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b", ["a"])]));
    await kit.crash();
    const broken = fault("MODULE_INVALID", { module: "m", why: "x" });
    for (let n = 0; n < 9; n++) kit.queue.link.refusals.push({ member: "actions", error: broken });
    await kit.start();
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
  });

  it("weighs the steps of later runs by how long they took, also in a later life", async () => {
    await using kit = await openKit();
    kit.queue.actions.push("slow");
    await kit.submit(workflow([step("a"), step("s", [], { action: "slow" })]));
    kit.queue.start("a");
    kit.queue.start("s");
    await kit.clock.advance(10);
    kit.queue.settle("a");
    await kit.clock.advance(30);
    kit.queue.settle("s");
    await kit.settle();
    await kit.clock.advance(60_000);
    await kit.settle();
    await kit.restart();
    await kit.submit(workflow([step("a"), step("s", [], { action: "slow" })], { workflowId: "v" }));
    kit.queue.settle("v/a/0/0");
    await kit.settle();
    expect((await kit.status("v")).progress).toBe(0.2);
    await kit.restart();
    await kit.settle();
    expect((await kit.status("v")).progress).toBe(0.2);
  });
});

describe("tasks of many runs", () => {
  it("that are released in one turn reach the queue in one message", async () => {
    await using kit = await openKit();
    const runs = Array.from({ length: 30 }, async (_, at) =>
      kit.call.submit({ definition: { ...ONE, workflowId: `w${at}` } }, fakeMessage()),
    );
    await kit.settle();
    await Promise.all(runs);
    expect(kit.queue.tasks.size).toBe(30);
    expect(kit.queue.link.calls.get("submit")).toBe(1);
  });

  it("that are listed in pages of large outputs are all found", async () => {
    await using kit = await openKit();
    await kit.submit(workflow(Array.from({ length: 12 }, (_, at) => step(`s${at}`))));
    kit.queue.pageTasks = 5;
    kit.queue.kill();
    for (let at = 0; at < 12; at++) kit.queue.settle(`s${at}`);
    kit.queue.link.revive();
    await kit.settle();
    expect((await kit.status()).state).toBe("completed");
  });
});

describe("a file of an earlier version", () => {
  /** What version 1 wrote: one run that had ended, and one that was being cancelled. */
  async function fileOfVersion1(kit: SchedulerKit, path: string): Promise<void> {
    const { clock, turns: scheduler } = kit;
    await using old = openStore({ path, migrations: RUN_MIGRATIONS.slice(0, 1), clock, scheduler });
    const summary = { workflowId: "done", name: "n", state: "completed", tags: ["x"], error: null };
    const insert = `INSERT INTO runs (workflow_id, fingerprint, definition, state, tags, submitted_at_ms, cancel, summary, steps)
      VALUES (?, ?, ?, ?, '["x"]', 5, ?, ?, ?)`;
    const written = old.write((db) => {
      const done = workflow([step("a")], { workflowId: "done", tags: ["x"] });
      db.prepare(insert).run(
        "done",
        contentKey(done),
        packValue(done),
        "completed",
        null,
        packValue(summary),
        packValue([]),
      );
      const open = workflow([step("a", [], { cacheTtlMs: 5 }), step("b", ["a"])], { workflowId: "open" });
      const cancel = packValue({ reason: "enough", force: false, atMs: 7 });
      db.prepare(insert).run("open", contentKey(open), packValue(open), "cancelling", cancel, null, null);
      db.prepare("INSERT INTO cached_outputs VALUES ('open', 'a', ?, 6)").run(packValue(1));
    });
    await scheduler.runAll();
    await written;
  }

  it("is read as it stands: ended runs with what was not written then, unfinished ones go on", async () => {
    await using kit = new SchedulerKit();
    const path = join(kit.directory, "scheduler.sqlite");
    await fileOfVersion1(kit, path);
    copyFileSync(path, `${path}.1`);
    await kit.start();
    await kit.settle();
    expect(await kit.status("done")).toMatchObject({
      state: "completed",
      tags: ["x"],
      deadlineMs: null,
      waitsFor: [],
      workerIds: [],
      handlersChanged: [],
    });
    const listed = async (filter: object): Promise<unknown> => {
      const { runs } = await kit.call.list(
        { offset: 0, limit: 9, states: ["completed"], ...filter },
        fakeMessage(),
      );
      return runs.map(({ workflowId }) => workflowId);
    };
    // All that there was then was this node.
    expect([await listed({ worker: "local" }), await listed({ peer: "local" })]).toEqual([[], ["done"]]);
    const again = await kit.submit(workflow([step("a")], { workflowId: "done", tags: ["x"] }));
    expect([again.state, again.replayed]).toEqual(["completed", true]);
    expect(await kit.status("open")).toMatchObject({
      state: "cancelled",
      error: { message: 'workflow "open" was cancelled: enough' },
      steps: [{ state: "completed", cached: true }, { state: "cancelled" }],
    });
  });

  it("gives its cancelled run as such to whoever reads rows alone", async () => {
    await using kit = new SchedulerKit();
    const path = join(kit.directory, "old.sqlite");
    await fileOfVersion1(kit, path);
    await using store = openStore({
      path,
      migrations: RUN_MIGRATIONS,
      clock: kit.clock,
      scheduler: kit.turns,
    });
    const [open] = new RunRows(store).unfinished();
    expect(open).toMatchObject({
      workflowId: "open",
      handlers: {},
      marks: { cancel: { reason: "enough", atMs: 7 }, expiredAtMs: null },
    });
  });
});
