import * as fc from "fast-check";
import { expect, it } from "vitest";

import { packValue } from "../../src/codec/index.ts";
import { cacheKey } from "../../src/workflow/content-key.ts";
import { parseTaskId } from "../../src/workflow/task-id.ts";
import type { RunStatus, WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { isFault } from "../../src/errors/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { randomFates, randomWorkflow, step, workflow, type Fate } from "./kit/definitions.ts";
import { SchedulerKit } from "./kit/scheduler-kit.ts";

const ACTIONS = [
  "work",
  "work",
  "work",
  "turn",
  "turn",
  "scheduler",
  "queue",
  "cache",
  "lose",
  "wait",
  "pause",
  "resume",
] as const;
type Trouble = (typeof ACTIONS)[number] | "cancel";

/**
 * Steps that read nothing and are cached: the cache knows those of even number from an earlier run. They complete when
 * they run all the same, since otherwise it would matter whether the cache is up.
 */
function fillCache(kit: SchedulerKit, { steps }: WorkflowDefinition, fateOf: (stepId: string) => Fate): void {
  const known = new Set<string>();
  for (const { stepId, action, inputs, cacheTtlMs } of steps) {
    if (cacheTtlMs === undefined || "from" in inputs || Number(stepId.slice(1)) % 2 === 1) continue;
    known.add(stepId);
    kit.cache.entries.set(cacheKey(action, null, inputs) ?? "", packValue({ id: stepId }));
  }
  kit.queue.fateOf = (stepId) => (known.has(stepId) ? "completed" : fateOf(stepId));
}

/** The scheduler takes no run with conditions or fan-out yet; the core alone is tested with them. */
function withoutLaterParts(definition: WorkflowDefinition): WorkflowDefinition {
  const steps = definition.steps.map(({ when: _when, forEach: _forEach, inputs, ...rest }) => {
    const { item: _item, ...others } = inputs;
    return { ...rest, inputs: others };
  });
  return { ...definition, steps };
}

/** Its caller may be gone before it is answered, and it may come too late. */
function ask(call: unknown): void {
  Promise.resolve(call).catch((error: unknown) => expect(isFault(error)).toBe(true));
}

async function trouble(kit: SchedulerKit, what: Trouble): Promise<void> {
  if (what === "work") kit.queue.work(kit.random);
  else if (what === "scheduler") await kit.restart();
  else if (what === "lose") kit.queue.link.loseEvents(kit.random.next() < 0.5 ? "settled" : "started");
  else if (what === "wait") await kit.clock.advance(60);
  else if (what === "queue" && kit.queue.link.isUp) kit.queue.kill();
  else if (what === "queue") kit.queue.link.revive();
  else if (what === "cache" && kit.cache.link.isUp) kit.cache.link.kill();
  else if (what === "cache") kit.cache.link.revive();
  else if (what === "cancel")
    ask(kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()));
  else if (what === "pause") ask(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
  else if (what === "resume") ask(kit.call.resume({ workflowId: "w" }, fakeMessage()));
  await kit.turns.step();
}

/** Lets everyone come back, and time pass, until the run has ended. */
async function calm(kit: SchedulerKit): Promise<RunStatus> {
  if (!kit.queue.link.isUp) kit.queue.link.revive();
  if (!kit.cache.link.isUp) kit.cache.link.revive();
  await kit.settle();
  ask(kit.call.resume({ workflowId: "w" }, fakeMessage()));
  for (let rounds = 0; rounds < 20; rounds++) {
    await kit.finish();
    await kit.clock.advance(6_000);
    await kit.settle();
    const status = await kit.status();
    if (status.endedAtMs !== null) return status;
  }
  throw new Error(`the run does not end: ${await kit.states()}`);
}

async function live(
  definition: WorkflowDefinition,
  fateOf: (stepId: string) => Fate,
  seed: number,
  troubles: readonly Trouble[],
): Promise<{ status: RunStatus; ran: string[]; outputs: string[] }> {
  await using kit = await new SchedulerKit(seed).start();
  fillCache(kit, definition, fateOf);
  await kit.submit(definition);
  await kit.submit(workflow([step("after")], { workflowId: "waiting", dependencies: ["w"] }));
  for (const what of troubles) await trouble(kit, what);
  const status = await calm(kit);
  await kit.finish();
  expect(kit.queue.open).toEqual([]);
  // Whoever waited for it has started if it has completed, and then alone.
  const { state } = await kit.status("waiting");
  expect(state).toBe(status.state === "completed" ? "completed" : "failed");
  const { outputs } = await kit.result();
  const tasks = [...kit.queue.tasks.values()].filter(({ group }) => group === "w");
  const ran = tasks.map(({ taskId }) => parseTaskId(taskId)?.stepId ?? taskId);
  // Under another name, after a pause, a step would run twice as well.
  expect(new Set(ran).size).toBe(ran.length);
  return { status, ran, outputs: Object.keys(outputs).toSorted() };
}

const summary = ({ state, steps, error }: RunStatus): unknown => ({
  state,
  code: error?.code,
  steps: steps.map(({ stepId, state: stepState, error: why }) => [stepId, stepState, why?.code]),
});

const scenario = {
  definition: randomWorkflow.map(withoutLaterParts),
  fateOf: randomFates,
  seed: fc.nat(),
  troubles: fc.array(fc.constantFrom<Trouble>(...ACTIONS), { maxLength: 40 }),
};

it("whatever dies at whatever moment, a run ends as it would have, and no finished step runs twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.record(scenario), async ({ definition, fateOf, seed, troubles }) => {
      // With fail_fast it depends on the order what is stopped; without it, the end does not.
      const ordered = definition.onFailure === "fail_fast";
      const calmRun = await live(definition, fateOf, seed, []);
      const { status, ran, outputs } = await live(definition, fateOf, seed, troubles);
      expect(status.state).toBe(calmRun.status.state);
      if (!ordered) expect(summary(status)).toEqual(summary(calmRun.status));
      // The queue of the kit throws when a task ends twice; here, that a hit of the cache ran nothing.
      for (const { stepId, cached } of status.steps) if (cached) expect(ran).not.toContain(stepId);
      expect(outputs).toEqual(
        status.steps.flatMap((each) => (each.state === "completed" ? each.stepId : [])).toSorted(),
      );
    }),
    { numRuns: 60 },
  );
});

it("a run that is cancelled at whatever moment ends, and leaves nothing running", async () => {
  const cancelled = fc.record({ ...scenario, at: fc.nat(20) });
  await fc.assert(
    fc.asyncProperty(cancelled, async ({ definition, fateOf, seed, troubles, at }) => {
      const { status } = await live(definition, fateOf, seed, troubles.toSpliced(at, 0, "cancel"));
      expect(["completed", "failed", "cancelled"]).toContain(status.state);
    }),
    { numRuns: 60 },
  );
});
