import { expect, it } from "vitest";
import { fakeMessage } from "../kit/actor-context.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { step, workflow } from "./kit/definitions.ts";
import { SchedulerKit } from "./kit/scheduler-kit.ts";

failOnLeaks();

const STEPS = workflow([step("a"), step("b", ["a"])]);

/** A scheduler whose first life was ended before the queue had done anything. */
async function interrupted(): Promise<SchedulerKit> {
  const kit = await new SchedulerKit().start();
  await kit.submit(STEPS);
  await kit.crash();
  kit.queue.tasks.clear();
  return kit;
}

async function startIdle(kit: SchedulerKit): Promise<void> {
  kit.idle = true;
  await kit.start();
  await kit.settle();
}

async function startAgain(kit: SchedulerKit): Promise<void> {
  await kit.crash();
  kit.idle = false;
  await kit.start();
  await kit.finish();
}

it("an idle scheduler shows its runs, hands no task to the queue, and leaves them to the next life", async () => {
  await using kit = await interrupted();
  await startIdle(kit);
  expect(await kit.states()).toBe("a:ready b:pending");
  expect(kit.queue.tasks.size).toBe(0);
  await startAgain(kit);
  expect(await kit.states()).toBe("a:completed b:completed");
});

it("an idle scheduler pauses, resumes and cancels runs, and the next life knows", async () => {
  await using kit = await interrupted();
  await startIdle(kit);
  const paused = await kit.answer(kit.call.pause({ workflowId: "w", reason: "why not" }, fakeMessage()));
  expect(paused.state).toBe("paused");
  await startAgain(kit);
  expect((await kit.status()).state).toBe("paused");
  await kit.crash();
  await startIdle(kit);
  expect((await kit.answer(kit.call.resume({ workflowId: "w" }, fakeMessage()))).state).toBe("running");
  const cancel = { workflowId: "w", reason: "no longer needed", force: false };
  expect((await kit.answer(kit.call.cancel(cancel, fakeMessage()))).state).toBe("cancelled");
  await startAgain(kit);
  expect(await kit.states()).toBe("a:cancelled b:cancelled");
});

it("a rerun that was made where no handler is known runs in the next life, which misses none of its handlers", async () => {
  await using kit = await interrupted();
  kit.queue.modules.set("echo", "ab12");
  await startIdle(kit);
  const cancel = { workflowId: "w", reason: "no longer needed", force: false };
  await kit.answer(kit.call.cancel(cancel, fakeMessage()));
  const rerun = await kit.answer(kit.call.rerun({ workflowId: "w" }, fakeMessage()));
  expect(rerun).toMatchObject({ workflowId: "w~2", origin: "w", replayed: false });
  await startAgain(kit);
  expect(await kit.status("w~2")).toMatchObject({ state: "completed", handlersChanged: [] });
});

it("a run that has something to undo is cancelling for an idle scheduler, and cancelled in the next life", async () => {
  await using kit = await new SchedulerKit().start();
  const undo = { action: "echo", inputs: {} };
  await kit.submit(workflow([step("a", [], { compensate: undo }), step("b", ["a"])]));
  while ((await kit.states()) !== "a:completed b:ready") {
    kit.queue.work(kit.random);
    await kit.settle();
  }
  await kit.crash();
  await startIdle(kit);
  const cancel = { workflowId: "w", reason: "no longer needed", force: false };
  const cancelling = await kit.answer(kit.call.cancel(cancel, fakeMessage()));
  expect(cancelling).toMatchObject({
    state: "cancelling",
    steps: [{ state: "completed" }, { state: "cancelled" }],
  });
  expect((await kit.answer(kit.call.cancel(cancel, fakeMessage()))).state).toBe("cancelling");
  await startAgain(kit);
  expect(await kit.status()).toMatchObject({
    state: "cancelled",
    steps: [{ compensation: "completed" }, {}],
  });
});
