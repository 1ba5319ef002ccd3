import { describe, expect, it } from "vitest";

import { fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { openKit, watch, type SchedulerKit } from "./kit/scheduler-kit.ts";

const undone = (stepId: string) => ({
  compensate: { action: "echo", inputs: { of: `\${{ steps.${stepId}.output.id }}` } },
});
const TRIP = workflow([
  step("a", [], undone("a")),
  step("b", ["a"], undone("b")),
  step("c", ["b"], undone("c")),
  step("last", ["c"]),
]);

/** All but the last step of the trip have completed, and that one has failed. */
async function failedTrip(kit: SchedulerKit, more: Partial<typeof TRIP> = {}): Promise<void> {
  await kit.submit({ ...TRIP, ...more });
  for (const name of ["a", "b", "c", "last"]) {
    kit.queue.settle(name, name === "last" ? "failed" : "completed");
    await kit.settle();
  }
}

const openIds = (kit: SchedulerKit): string[] => kit.queue.open.map(({ taskId }) => taskId).toSorted();
const compensations = async (kit: SchedulerKit): Promise<(string | null)[]> =>
  (await kit.status()).steps.map(({ compensation }) => compensation);
const cancel = (kit: SchedulerKit, force: boolean) =>
  watch(kit.call.cancel({ workflowId: "w", reason: "enough", force }, fakeMessage()));

describe("the compensations of a run", () => {
  it("run once each and in reverse, whatever died between any two of them", async () => {
    await using kit = await openKit();
    await failedTrip(kit);
    for (const name of ["c", "b", "a"]) {
      await kit.restart();
      kit.queue.kill();
      kit.queue.link.revive();
      await kit.settle();
      expect(openIds(kit)).toEqual([`w/${name}/compensate/0`]);
      kit.queue.start(`${name}/compensate`);
      await kit.restart();
      await kit.settle();
      kit.queue.settle(`${name}/compensate`);
      await kit.settle();
    }
    await kit.restart();
    // The queue of the kit throws when a task ends twice.
    expect(await kit.status()).toMatchObject({ state: "failed", error: { code: "WORKFLOW_FAILED" } });
    expect(await compensations(kit)).toEqual(["completed", "completed", "completed", null]);
    expect(kit.queue.tasks.size).toBe(7);
  });

  it("keep the answer to a cancellation waiting, and its late wish to the queue does not stop them", async () => {
    await using kit = await openKit();
    await kit.submit(TRIP);
    kit.queue.settle("a");
    await kit.settle();
    kit.queue.start("b");
    await kit.settle();
    const answer = cancel(kit, false);
    while (!kit.queue.link.calls.has("cancel")) await kit.turns.step();
    kit.queue.settle("b");
    await kit.settle();
    expect([answer.settled, openIds(kit)]).toEqual([false, ["w/b/compensate/0"]]);
    await kit.finish();
    expect(answer.value).toMatchObject({ state: "cancelled", error: { code: "CANCELLED" } });
    expect(await compensations(kit)).toEqual(["completed", "completed", null, null]);
  });

  it("go on when the queue is compared with a run that is being stopped", async () => {
    await using kit = await openKit();
    kit.queue.fateOf = (name) => (name === "last" ? "failed" : "completed");
    await kit.submit({ ...TRIP, onFailure: "fail_fast" });
    for (const name of ["a", "b", "c", "last"]) {
      kit.queue.settle(name);
      await kit.settle();
    }
    kit.queue.link.loseEvents("settled");
    await kit.finish();
    await kit.clock.advance(60);
    await kit.finish();
    expect(kit.queue.link.calls.has("cancel")).toBe(false);
    expect(await compensations(kit)).toEqual(["completed", "completed", "completed", null]);
  });

  it("that an earlier life has asked for are stopped by force, and no further one is asked for", async () => {
    await using kit = await openKit();
    await failedTrip(kit);
    kit.queue.start("c/compensate");
    await kit.settle();
    cancel(kit, true);
    // On disk, and the queue does not know.
    while (
      (await Promise.resolve(kit.call.status({ workflowId: "w" }, fakeMessage()))).state !== "cancelling"
    )
      await kit.turns.step();
    await kit.restart();
    await kit.settle();
    expect(kit.queue.task("c/compensate").state).toBe("cancelling");
    kit.queue.settle("c/compensate", "cancelled");
    await kit.settle();
    expect(await kit.status()).toMatchObject({ state: "cancelled", error: { code: "COMPENSATION_FAILED" } });
    expect(await compensations(kit)).toEqual(["skipped", "skipped", "failed", null]);
  });

  it("are not stopped by a time limit that passes, in this life or before the next one", async () => {
    await using kit = await openKit();
    await failedTrip(kit, { timeoutMs: 5_000 });
    await kit.clock.advance(6_000);
    await kit.settle();
    expect(openIds(kit)).toEqual(["w/c/compensate/0"]);
    await kit.restart();
    await kit.clock.advance(100);
    await kit.settle();
    expect(openIds(kit)).toEqual(["w/c/compensate/0"]);
    await kit.finish();
    expect(await kit.status()).toMatchObject({ state: "failed", error: { code: "WORKFLOW_FAILED" } });
  });

  it("are given back at a pause, which outlives a restart, and asked for anew under another name", async () => {
    await using kit = await openKit();
    await failedTrip(kit);
    await kit.answer(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
    expect(openIds(kit)).toEqual([]);
    await kit.restart();
    await kit.settle();
    expect([(await kit.status()).state, openIds(kit)]).toEqual(["paused", []]);
    await kit.answer(kit.call.resume({ workflowId: "w" }, fakeMessage()));
    expect(openIds(kit)).toEqual(["w/c/compensate/1"]);
    await kit.finish();
    expect(await compensations(kit)).toEqual(["completed", "completed", "completed", null]);
  });

  it("make a rerun do again what they have undone, or may have", async () => {
    await using kit = await openKit();
    kit.queue.fateOf = (name) => (["last", "b/compensate"].includes(name) ? "failed" : "completed");
    await kit.submit(workflow([...TRIP.steps, step("free")]));
    await kit.finish();
    expect(await compensations(kit)).toEqual(["completed", "failed", "completed", null, null]);
    kit.queue.fateOf = () => "completed";
    const { workflowId } = await kit.answer(kit.call.rerun({ workflowId: "w" }, fakeMessage()));
    await kit.finish();
    const { state, steps } = await kit.status(workflowId);
    expect(state).toBe("completed");
    expect(steps.filter(({ reused }) => reused).map(({ stepId }) => stepId)).toEqual(["free"]);
  });

  it("are told in the history of the run, and those of handlers that changed are named", async () => {
    await using kit = await openKit();
    kit.queue.actions = ["echo", "undo"];
    kit.queue.fateOf = (name) => (name === "b" ? "failed" : "completed");
    await kit.submit(
      workflow([step("a", [], { compensate: { action: "undo", inputs: {} } }), step("b", ["a"])]),
    );
    kit.queue.modules.set("undo", "another");
    await kit.restart();
    await kit.finish();
    const { events } = await kit.answer(
      kit.call.history({ workflowId: "w", offset: 0, limit: 100 }, fakeMessage()),
    );
    const told = events.filter(({ message }) => message?.startsWith("compensation"));
    expect(told.map(({ stepId, message }) => [stepId, message])).toEqual([
      ["a", "compensation: pending"],
      ["a", "compensation: running"],
      ["a", "compensation: completed"],
    ]);
    expect((await kit.status()).handlersChanged).toEqual(["undo"]);
  });
});
