import * as fc from "fast-check";
import { expect, it } from "vitest";

import { packValue } from "../../src/codec/index.ts";
import type { TaskOutcome } from "../../src/queue/queue.protocol.ts";
import type { RunMemory } from "../../src/workflow/run-effect.ts";
import type { WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { randomFates, randomWorkflow, type Fate } from "./kit/definitions.ts";
import { referenceRun, type Happening } from "./kit/reference-run.ts";
import { RunWorld } from "./kit/run-world.ts";
import { QUEUED } from "./kit/queued-task.ts";

/** Numbers that pick what happens next among what can. */
const picks = fc.array(fc.nat(), { minLength: 40, maxLength: 40 });

interface Story {
  readonly world: RunWorld;
  readonly happenings: readonly Happening[];
  readonly cancelledAtMs: number | null;
}

/** Lets a run live for at most `length` happenings, calling `each` after every one of them. */
function live(
  definition: WorkflowDefinition,
  fateOf: (stepId: string) => Fate,
  choices: readonly number[],
  length: number,
  each: (story: Story) => void = () => undefined,
): Story {
  const world = new RunWorld(definition).start();
  const happenings: Happening[] = [];
  let cancelledAtMs: number | null = null;
  each({ world, happenings, cancelledAtMs });
  for (const choice of choices.slice(0, length)) {
    const asked = world.lookedUp.filter(
      (id) => world.step(id).state === "ready" && !world.submitted.includes(id),
    );
    const open = world.core.outstanding().map(({ stepId }) => stepId);
    const candidates = [...asked, ...open];
    const stepId = candidates[choice % Math.max(1, candidates.length)];
    if (stepId === undefined) break;
    if (choice % 17 === 0 && cancelledAtMs === null) {
      world.cancel();
      cancelledAtMs = world.nowMs;
      happenings.push({ what: "cancel" });
    } else if (asked.includes(stepId)) {
      const what = choice % 2 === 0 ? "hit" : "miss";
      world.nowMs += 1;
      world.take(
        world.core.cacheAnswered(stepId, what === "hit" ? packValue({ id: stepId }) : null, world.nowMs),
      );
      happenings.push({ what, stepId });
    } else {
      const what = fateOf(stepId);
      if (what === "completed") world.complete(stepId);
      else if (what === "failed") world.fail(stepId);
      else world.stop(stepId);
      happenings.push({ what, stepId });
    }
    each({ world, happenings, cancelledAtMs });
  }
  return { world, happenings, cancelledAtMs };
}

const statesOf = ({ core }: RunWorld): Record<string, string> =>
  Object.fromEntries(core.status().steps.map(({ stepId, state }) => [stepId, state]));

it("a run does what a slow and obvious interpreter of the rules does, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(randomWorkflow, randomFates, picks, (definition, fateOf, choices) => {
      const { world } = live(definition, fateOf, choices, choices.length, ({ world: now, happenings }) => {
        const expected = referenceRun(definition, happenings);
        expect(statesOf(now)).toEqual(expected.states);
        expect(now.core.state).toBe(expected.state);
        expect(now.submitted.toSorted()).toEqual(expected.submitted.toSorted());
        expect(now.lookedUp.toSorted()).toEqual(expected.lookedUp.toSorted());
      });
      expect(world.core.hasEnded).toBe(true);
      expect(world.ends).toBe(1);
      expect(new Set(world.submitted).size).toBe(world.submitted.length);
      expect(world.events.map(({ sequence }) => sequence)).toEqual(world.events.map((_, at) => at + 1));
    }),
    { numRuns: 300 },
  );
});

/** What the queue and the run's row know of a run at some moment. */
function memoryOf({ world, happenings, cancelledAtMs }: Story): RunMemory {
  const tasks = new Map<string, TaskOutcome>();
  const cached = new Map<string, { output: Uint8Array; atMs: number }>();
  for (const {
    stepId,
    action,
    state,
    attempt,
    startedAtMs,
    endedAtMs,
    error,
    cached: hit,
  } of world.core.status().steps) {
    const happening = happenings.find(
      (each) => "stepId" in each && each.stepId === stepId && each.what !== "miss",
    );
    if (hit) cached.set(stepId, { output: packValue({ id: stepId }), atMs: endedAtMs ?? 0 });
    if (!world.submitted.includes(stepId)) continue;
    tasks.set(stepId, {
      ...QUEUED,
      taskId: `w/${stepId}/0/0`,
      action,
      group: "w",
      state: happening === undefined ? "queued" : (state as TaskOutcome["state"]),
      attempt,
      submittedAtMs: 0,
      startedAtMs,
      endedAtMs,
      output: state === "completed" ? packValue({ id: stepId }) : null,
      error,
    });
  }
  return {
    tasks,
    cached,
    cancel: cancelledAtMs === null ? null : { reason: "enough", force: false, atMs: cancelledAtMs },
  };
}

it("a run that is recovered at any moment stands where it stood, and asks again only for what is missing", () => {
  fc.assert(
    fc.property(randomWorkflow, randomFates, picks, fc.nat(25), (definition, fateOf, choices, length) => {
      const before = live(definition, fateOf, choices, length);
      fc.pre(!before.world.core.hasEnded);
      const after = new RunWorld(definition);
      after.nowMs = before.world.nowMs;
      after.take(after.core.recover(memoryOf(before), after.nowMs));

      expect(statesOf(after)).toEqual(statesOf(before.world));
      expect(after.core.state).toBe(before.world.core.state);
      expect(after.core.outstanding()).toEqual(before.world.core.outstanding());
      expect(after.submitted).toEqual([]);
      expect(after.events.at(-1)?.message).toMatch(/^resumed after a restart/);
      for (const { stepId } of before.world.core.outstanding()) {
        expect(after.core.taskOf(stepId)).toEqual(before.world.core.taskOf(stepId));
      }
      for (const { stepId } of before.world.core.outstanding()) {
        for (const world of [before.world, after])
          world.settle(stepId, world.end("completed", stepId, { id: stepId }));
      }
      expect(statesOf(after)).toEqual(statesOf(before.world));
      expect(after.core.status().error?.message).toEqual(before.world.core.status().error?.message);
    }),
    { numRuns: 300 },
  );
});
