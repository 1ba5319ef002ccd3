import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { BUILT_IN_ACTIONS } from "../../src/compute/built-in.protocol.ts";
import { Queue, queueBehaviour, type TaskOutcome } from "../../src/queue/index.ts";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { outputOf, specOf, temporaryDirectory } from "./queue-kit.ts";

const message = fakeMessage();

describe("the queue over the real pool and a real file", () => {
  failOnLeaks();

  it("runs, retries, cancels and stops built-in tasks", async () => {
    const actor = fakeActor(Queue);
    const settled = new Map<string, PromiseWithResolvers<TaskOutcome>>();
    const end = (taskId: string): PromiseWithResolvers<TaskOutcome> => {
      const known = settled.get(taskId) ?? Promise.withResolvers<TaskOutcome>();
      settled.set(taskId, known);
      return known;
    };
    const sleeping = Promise.withResolvers<void>();
    const queue = await queueBehaviour.setup(
      {
        ...actor.context,
        clock: systemClock,
        scheduler: systemScheduler,
        emit: {
          started: ({ taskId }) => taskId === "sleep" && sleeping.resolve(),
          progressed: () => undefined,
          settled: (outcome) => end(outcome.taskId).resolve(outcome),
          recalled: () => undefined,
          attemptProgressed: () => undefined,
        },
      },
      {
        directory: temporaryDirectory(),
        durability: "flushed",
        modules: [],
        order: { by: "priority" },
        quotas: [],
        keptTasks: 100,
        keptMs: 60_000,
        threads: 2,
        sharedPerThread: 4,
        heapMb: 64,
        graceMs: 2_000,
        roots: [],
        allowedHosts: [],
      },
    );
    const tasks = [
      specOf({ taskId: "echo", input: packValue({ rows: [1, "two"] }) }),
      specOf({ taskId: "fail", action: "fail", input: packValue({ times: 1 }), attempts: 2 }),
      specOf({ taskId: "sleep", action: "sleep", input: packValue({ ms: 600_000 }) }),
    ];
    await queue.submit({ tasks }, message);
    expect(outputOf(await end("echo").promise)).toEqual({ rows: [1, "two"] });
    expect(await end("fail").promise).toMatchObject({ state: "completed", attempt: 2 });
    await sleeping.promise;
    await queue.cancel({ taskIds: ["sleep"], reason: "seen enough", force: false }, message);
    expect(await end("sleep").promise).toMatchObject({
      state: "cancelled",
      error: { code: "CANCELLED", details: { reason: "seen enough" } },
    });
    const actions = await queue.actions(undefined, message);
    expect(actions.map(({ name }) => name).toSorted()).toEqual(BUILT_IN_ACTIONS);
    await actor.stop();
  });
});
