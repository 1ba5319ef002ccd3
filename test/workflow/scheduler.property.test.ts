import * as fc from "fast-check";
import { expect, it } from "vitest";

import { Reference, packValue } from "../../src/codec/index.ts";
import { cacheKey } from "../../src/workflow/content-key.ts";
import type { RunStatus, WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { isFault } from "../../src/errors/index.ts";
import type { Wire } from "../../src/schema/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import {
  OUTPUT_LIST,
  outputOfTask,
  randomFates,
  randomWorkflow,
  step,
  verdictOf,
  workflow,
  type Fate,
} from "./kit/definitions.ts";
import { nameOfTask } from "./kit/fake-queue.ts";
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
type Trouble = (typeof ACTIONS)[number] | "cancel" | "force";

/**
 * Steps that read nothing and are cached: the cache knows those of even number from an earlier run. They complete when
 * they run all the same, and so does what undoes them, since otherwise it would matter whether the cache is up.
 */
function fillCache(kit: SchedulerKit, { steps }: WorkflowDefinition, fateOf: (name: string) => Fate): void {
  const known = new Set<string>();
  for (const { stepId, action, inputs, cacheTtlMs, forEach } of steps) {
    if (cacheTtlMs === undefined || "from" in inputs || Number(stepId.slice(1)) % 2 === 1) continue;
    const { items: list } = forEach ?? { items: [null] };
    const items: readonly Wire[] = Array.isArray(list) ? list : OUTPUT_LIST;
    for (const [index, item] of items.entries()) {
      const name = index === 0 ? stepId : `${stepId}[${index}]`;
      known.add(name);
      const key = cacheKey(action, null, forEach ? { ...inputs, item } : inputs);
      kit.cache.entries.set(key ?? "", packValue(outputOfTask(name)));
    }
  }
  kit.queue.fateOf = (name) => (known.has(name.replace("/compensate", "")) ? "completed" : fateOf(name));
}

/** The steps of odd number return a large value, which is kept as a blob. */
async function giveOutputs(kit: SchedulerKit): Promise<void> {
  const { sha256, sizeBytes } = await kit.blobs.put(packValue(outputOfTask("a blob")));
  kit.queue.outputOf = (name) => {
    if (name.endsWith("/when")) return verdictOf(name);
    const isLarge = Number(/\d+/.exec(name)?.[0] ?? 0) % 2 === 1;
    return isLarge ? new Reference(sha256, sizeBytes) : outputOfTask(name);
  };
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
  else if (what === "cancel" || what === "force") {
    const force = what === "force";
    ask(kit.call.cancel({ workflowId: "w", reason: "enough", force }, fakeMessage()));
  } else if (what === "pause") ask(kit.call.pause({ workflowId: "w", reason: "a repair" }, fakeMessage()));
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

/** What was done in vain was undone as it ends, and nothing else was; by force, as far as it had come. */
function expectUndone(
  { state, steps }: RunStatus,
  definition: WorkflowDefinition,
  fateOf: (name: string) => Fate,
  isForced: boolean,
): void {
  for (const [at, { stepId, state: stepState, cached, compensation }] of steps.entries()) {
    const undoing = definition.steps[at]?.compensate;
    const isVain = state !== "completed" && stepState === "completed" && !cached;
    if (!isVain || undoing === undefined) expect([stepId, compensation]).toEqual([stepId, null]);
    else if (isForced) expect(["completed", "failed", "skipped"]).toContain(compensation);
    // What it reads may be missing; that it is then not undone is told by the other run.
    else if (!("from" in undoing.inputs)) {
      const isUndone = fateOf(`${stepId}/compensate`) === "completed";
      expect([stepId, compensation]).toEqual([stepId, isUndone ? "completed" : "failed"]);
    }
  }
}

async function live(
  definition: WorkflowDefinition,
  fateOf: (name: string) => Fate,
  seed: number,
  troubles: readonly Trouble[],
): Promise<{ status: RunStatus; ran: string[]; outputs: string[] }> {
  await using kit = await new SchedulerKit(seed).start();
  fillCache(kit, definition, fateOf);
  await giveOutputs(kit);
  await kit.submit(definition);
  await kit.submit(workflow([step("after")], { workflowId: "waiting", dependencies: ["w"] }));
  for (const what of troubles) await trouble(kit, what);
  const status = await calm(kit);
  await kit.finish();
  expect(kit.queue.open).toEqual([]);
  // Whoever waited for it has started if it has completed, and then alone.
  const { state } = await kit.status("waiting");
  expect(state).toBe(status.state === "completed" ? "completed" : "failed");
  expectUndone(status, definition, kit.queue.fateOf, troubles.includes("force"));
  const { outputs } = await kit.result();
  const tasks = [...kit.queue.tasks.values()].filter(({ group }) => group === "w");
  const ran = tasks.map(({ taskId }) => nameOfTask(taskId));
  // Under another id, after a pause, a step would run twice as well.
  expect(new Set(ran).size).toBe(ran.length);
  return { status, ran, outputs: Object.keys(outputs).toSorted() };
}

const summary = ({ state, steps, error }: RunStatus): unknown => ({
  state,
  code: error?.code,
  // Where two reasons to skip a step meet, the first one counts.
  steps: steps.map(({ stepId, state: stepState, error: why, items }) =>
    stepState === "skipped" ? [stepId, stepState] : [stepId, stepState, why?.code, items],
  ),
});

const scenario = {
  definition: randomWorkflow,
  fateOf: randomFates,
  seed: fc.nat(),
  troubles: fc.array(fc.constantFrom<Trouble>(...ACTIONS), { maxLength: 40 }),
};

it(
  "whatever dies at whatever moment, a run ends as it would have, and no finished step runs twice",
  { timeout: 60_000 },
  async () => {
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
      { numRuns: 40 },
    );
  },
);

it(
  "a run that is cancelled at whatever moment ends, and leaves nothing running",
  { timeout: 60_000 },
  async () => {
    const how = fc.constantFrom<Trouble>("cancel", "force");
    const cancelled = fc.record({
      ...scenario,
      at: fc.array(fc.tuple(fc.nat(20), how), { minLength: 1, maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(cancelled, async ({ definition, fateOf, seed, troubles, at }) => {
        const all = at.reduce<readonly Trouble[]>(
          (list, [place, what]) => list.toSpliced(place, 0, what),
          troubles,
        );
        const { status } = await live(definition, fateOf, seed, all);
        expect(["completed", "failed", "cancelled"]).toContain(status.state);
      }),
      { numRuns: 40 },
    );
  },
);
