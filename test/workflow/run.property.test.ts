import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { expect, it } from "vitest";

import { packValue } from "../../src/codec/index.ts";
import type { TaskOutcome } from "../../src/queue/queue.protocol.ts";
import type { TaskEnd } from "../../src/workflow/run-effect.ts";
import {
  NO_MARKS,
  WHOLE,
  type KeptOutput,
  type RunMarks,
  type RunMemory,
} from "../../src/workflow/run-memory.ts";
import type { WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import {
  kindFates,
  outputOfTask,
  randomFates,
  randomWorkflow,
  randomWorkflowOf,
  verdictOf,
  type Fate,
} from "./kit/definitions.ts";
import { QUEUED } from "./kit/queued-task.ts";
import { referenceRun, type Happening } from "./kit/reference-run.ts";
import { RunWorld } from "./kit/run-world.ts";

/** Numbers that pick what happens next among what can. */
const picks = fc.array(fc.nat(), { minLength: 120, maxLength: 120 });

/** A run, and all that the world has seen of it. */
class Story {
  readonly world: RunWorld;
  readonly happenings: Happening[] = [];
  marks: RunMarks = NO_MARKS;
  /** Of tasks that have ended in the queue. */
  readonly ends = new Map<string, TaskEnd>();
  /** Of tasks that the cache has answered, when. */
  readonly hits = new Map<string, number>();
  #noted = 0;
  readonly #rarity: number;

  /** @param rarity how many times rarer than else it is paused, cancelled or out of time */
  constructor(definition: WorkflowDefinition, world = new RunWorld(definition).start(), rarity = 1) {
    this.world = world;
    this.#rarity = rarity;
    this.note();
  }

  note(): void {
    for (const name of this.world.submitted.slice(this.#noted))
      this.happenings.push({ what: "submit", name });
    this.#noted = this.world.submitted.length;
  }

  /** Lets one thing happen; false when nothing can. */
  go(choice: number, fateOf: (name: string) => Fate): boolean {
    const { world } = this;
    const isTime = (each: number): boolean => choice % (each * this.#rarity) === 0;
    const asked = world.lookedUp.filter((name) => world.task(name)?.place === "cache");
    const candidates = [...asked, ...world.inQueue];
    const name = candidates[choice % Math.max(1, candidates.length)];
    if (name === undefined && world.core.state !== "paused") return false;
    if (isTime(17) && this.marks.cancel === null) this.#cancel(choice % 2 === 0);
    else if (isTime(13) && this.marks.cancel?.force === false) this.#cancel(true);
    else if (isTime(19) && world.core.stopping === null && !world.core.isUndoing) this.#expire();
    else if (name === undefined || (isTime(11) && ["running", "paused"].includes(world.core.state)))
      this.#pauseOrResume();
    else if (asked.includes(name)) this.#answer(name, choice % 2 === 0);
    else this.#settle(name, fateOf(name));
    this.note();
    return true;
  }

  #cancel(force: boolean): void {
    this.world.cancel("enough", force);
    const { atMs = this.world.nowMs } = this.marks.cancel ?? {};
    this.marks = { ...this.marks, cancel: { reason: "enough", force, atMs } };
    this.happenings.push({ what: force ? "force" : "cancel" });
  }

  #expire(): void {
    const { world } = this;
    world.nowMs += 1;
    world.take(world.core.expire(world.nowMs));
    this.marks = { ...this.marks, expiredAtMs: world.nowMs };
    this.happenings.push({ what: "expire" });
  }

  /** The queue gives everything back, because nothing has started. */
  #pauseOrResume(): void {
    const { world, marks } = this;
    if (world.core.state === "paused") {
      this.happenings.push({ what: "resume" });
      world.resume();
      this.marks = { ...marks, pause: null };
      return;
    }
    const generation = marks.generation + 1;
    this.happenings.push({ what: "pause" });
    world.pause(generation);
    world.giveBack(...world.inQueue);
    this.marks = { ...marks, pause: { reason: "a repair", atMs: world.nowMs }, generation };
  }

  #answer(name: string, isHit: boolean): void {
    const { world } = this;
    world.nowMs += 1;
    if (isHit) this.hits.set(name, world.nowMs);
    world.answered(name, isHit ? outputOf(name) : null);
    this.happenings.push({ what: isHit ? "hit" : "miss", name });
  }

  #settle(name: string, fate: Fate): void {
    const { world } = this;
    const isCondition = name.endsWith("/when");
    const verdict = String(verdictOf(name)) as "true" | "false";
    this.happenings.push({ what: isCondition && fate === "completed" ? verdict : fate, name });
    const value = isCondition ? verdictOf(name) : outputOfTask(name);
    // It is settled in the next millisecond.
    world.nowMs += 1;
    const end = world.end(fate, name, fate === "completed" ? value : "boom");
    world.nowMs -= 1;
    this.ends.set(name, end);
    world.settle(name, end);
  }
}

const outputOf = (name: string): Uint8Array => packValue(outputOfTask(name));

/** Lets a run live for at most `length` happenings, calling `each` after every one of them. */
function live(
  definition: WorkflowDefinition,
  fateOf: (name: string) => Fate,
  choices: Iterable<number>,
  each: (story: Story) => void = () => undefined,
  rarity = 1,
): Story {
  const story = new Story(definition, undefined, rarity);
  each(story);
  for (const choice of choices) {
    if (!story.go(choice, fateOf)) break;
    each(story);
  }
  return story;
}

const statesOf = ({ core }: RunWorld): Record<string, string> =>
  Object.fromEntries(core.status().steps.map(({ stepId, state }) => [stepId, state]));

const undoneOf = ({ core }: RunWorld): Record<string, string | null> =>
  Object.fromEntries(core.status().steps.map(({ stepId, compensation }) => [stepId, compensation]));

/** Lets a run live to its end, holding it after everything that happens against what the interpreter of the rules says. */
function expectAsTheRulesSay(
  definition: WorkflowDefinition,
  fateOf: (name: string) => Fate,
  choices: Iterable<number>,
  rarity = 1,
): void {
  const reference = referenceRun(definition);
  let told = 0;
  const compare = ({ world: now, happenings }: Story): void => {
    for (; told < happenings.length; told++) reference.happen(happenings[told] as Happening);
    const { inLine, ...expected } = reference.view();
    const seen = {
      state: now.core.state,
      states: statesOf(now),
      undone: undoneOf(now),
      lookedUp: now.lookedUp.toSorted(),
    };
    // What tells the difference takes its time.
    if (!isDeepStrictEqual(seen, { ...expected, lookedUp: expected.lookedUp.toSorted() }))
      expect(seen).toEqual({ ...expected, lookedUp: expected.lookedUp.toSorted() });
    const room = definition.maxConcurrency ?? Infinity;
    expect(now.inQueue.length).toBeLessThanOrEqual(room);
    if (inLine.length > 0) expect(now.inQueue.length).toBe(room);
  };
  const { world } = live(definition, fateOf, choices, compare, rarity);
  expect(world.core.hasEnded).toBe(true);
  expect(world.ends).toBe(1);
  expect(new Set(world.submittedIds).size).toBe(world.submittedIds.length);
  expect(world.events.map(({ sequence }) => sequence)).toEqual(world.events.map((_, at) => at + 1));
  const progress = world.events.map((event) => event.progress);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
}

it("a run does what a slow and obvious interpreter of the rules does, whatever happens in whatever order", () => {
  const small = fc.property(randomWorkflow, randomFates, picks, (definition, fateOf, choices) =>
    expectAsTheRulesSay(definition, fateOf, choices),
  );
  fc.assert(small, { numRuns: 300 });
});

/** Graphs of the next law: `WORKFLOW_DAGS=10000` makes half an hour of it. */
const DAGS = Number(process.env["WORKFLOW_DAGS"] ?? 20);
/** So that most of the run is lived before it is cancelled. */
const RARITY = 60;

function* picksOf(seed: number): Generator<number> {
  const random = seededRandom(seed);
  for (;;) yield Math.floor(random.next() * 2 ** 31);
}

it("in graphs of up to 200 steps it does the same", { timeout: 20_000 + DAGS * 1_000 }, () => {
  const large = fc.property(randomWorkflowOf(200), kindFates, fc.nat(), (definition, fateOf, seed) =>
    expectAsTheRulesSay(definition, fateOf, picksOf(seed), RARITY),
  );
  fc.assert(large, { numRuns: DAGS, endOnFailure: true });
});

/** What the queue and the run's rows know of a run at some moment. */
function memoryOf({ world, marks, ends, hits }: Story): RunMemory {
  const tasks = new Map<string, TaskOutcome>();
  for (const name of new Set(world.submitted)) {
    const { taskId = "", place, step } = world.task(name) ?? {};
    // In line again, after a pause, it is in nobody's hands.
    if (place === "line" || !step) continue;
    const { action } = step.definition;
    const end = ends.get(name);
    const common = { ...QUEUED, taskId, action, group: "w", submittedAtMs: 0 };
    if (end || place !== "ended") tasks.set(taskId.slice(0, taskId.lastIndexOf("/")), { ...common, ...end });
  }
  const kept = new Map<string, Map<number, KeptOutput>>();
  for (const [name, atMs] of hits) {
    const [stepId = "", item] = name.split(/[[\]]/);
    const items = kept.get(stepId) ?? new Map<number, KeptOutput>();
    kept.set(
      stepId,
      items.set(item === undefined ? WHOLE : Number(item), { output: outputOf(name), atMs, reused: false }),
    );
  }
  return { tasks, kept, marks };
}

it("a run that is recovered at any moment stands where it stood, and asks again only for what is missing", () => {
  fc.assert(
    fc.property(randomWorkflow, randomFates, picks, fc.nat(40), (definition, fateOf, choices, length) => {
      const before = live(definition, fateOf, choices.slice(0, length));
      fc.pre(!before.world.core.hasEnded);
      const after = new RunWorld(definition);
      after.nowMs = before.world.nowMs;
      after.take(after.core.recover(memoryOf(before), [], after.nowMs));

      expect(statesOf(after)).toEqual(statesOf(before.world));
      expect(undoneOf(after)).toEqual(undoneOf(before.world));
      expect(after.core.state).toBe(before.world.core.state);
      expect(after.inQueue.toSorted()).toEqual(before.world.inQueue.toSorted());
      expect(after.submitted).toEqual([]);
      expect(after.withdrawn).toEqual([]);
      expect(
        after.events.filter(({ message }) => message?.startsWith("resumed after a restart")).length,
      ).toBe(1);
      for (const name of before.world.inQueue) expect(after.spec(name)).toEqual(before.world.spec(name));
      for (const name of before.world.inQueue) {
        for (const world of [before.world, after])
          world.settle(
            name,
            world.end("completed", name, name.endsWith("/when") ? true : outputOfTask(name)),
          );
      }
      expect(statesOf(after)).toEqual(statesOf(before.world));
      expect(undoneOf(after)).toEqual(undoneOf(before.world));
      expect(after.core.status().error?.message).toEqual(before.world.core.status().error?.message);

      const story = new Story(definition, after);
      for (const choice of choices) if (!story.go(choice, fateOf)) break;
      expect(after.core.hasEnded).toBe(true);
      expect(after.ends).toBe(1);
      const done = new Set([...before.ends.keys(), ...before.hits.keys()]);
      expect(after.submitted.filter((name) => done.has(name))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
