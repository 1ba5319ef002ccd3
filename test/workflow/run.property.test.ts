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
import { randomFates, randomWorkflow, verdictOf, type Fate } from "./kit/definitions.ts";
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

  constructor(definition: WorkflowDefinition, world = new RunWorld(definition).start()) {
    this.world = world;
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
    const asked = world.lookedUp.filter((name) => world.task(name)?.place === "cache");
    const candidates = [...asked, ...world.inQueue];
    const name = candidates[choice % Math.max(1, candidates.length)];
    if (name === undefined && world.core.state !== "paused") return false;
    if (choice % 17 === 0 && this.marks.cancel === null) this.#cancel();
    else if (choice % 19 === 0 && world.core.stopping === null) this.#expire();
    else if (name === undefined || (choice % 11 === 0 && ["running", "paused"].includes(world.core.state)))
      this.#pauseOrResume();
    else if (asked.includes(name)) this.#answer(name, choice % 2 === 0);
    else this.#settle(name, fateOf(name));
    this.note();
    return true;
  }

  #cancel(): void {
    this.world.cancel();
    this.marks = { ...this.marks, cancel: { reason: "enough", force: false, atMs: this.world.nowMs } };
    this.happenings.push({ what: "cancel" });
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
    const value = isCondition ? verdictOf(name) : { id: name };
    // It is settled in the next millisecond.
    world.nowMs += 1;
    const end = world.end(fate, name, fate === "completed" ? value : "boom");
    world.nowMs -= 1;
    this.ends.set(name, end);
    world.settle(name, end);
  }
}

const outputOf = (name: string): Uint8Array => packValue({ id: name });

/** Lets a run live for at most `length` happenings, calling `each` after every one of them. */
function live(
  definition: WorkflowDefinition,
  fateOf: (name: string) => Fate,
  choices: readonly number[],
  each: (story: Story) => void = () => undefined,
): Story {
  const story = new Story(definition);
  each(story);
  for (const choice of choices) {
    if (!story.go(choice, fateOf)) break;
    each(story);
  }
  return story;
}

const statesOf = ({ core }: RunWorld): Record<string, string> =>
  Object.fromEntries(core.status().steps.map(({ stepId, state }) => [stepId, state]));

it("a run does what a slow and obvious interpreter of the rules does, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(randomWorkflow, randomFates, picks, (definition, fateOf, choices) => {
      const reference = referenceRun(definition);
      let told = 0;
      const { world } = live(definition, fateOf, choices, ({ world: now, happenings }) => {
        for (; told < happenings.length; told++) reference.happen(happenings[told] as Happening);
        const expected = reference.view();
        expect(statesOf(now)).toEqual(expected.states);
        expect(now.core.state).toBe(expected.state);
        const room = definition.maxConcurrency ?? Infinity;
        expect(now.inQueue.length).toBeLessThanOrEqual(room);
        if (expected.inLine.length > 0) expect(now.inQueue.length).toBe(room);
        expect(now.lookedUp.toSorted()).toEqual(expected.lookedUp.toSorted());
      });
      expect(world.core.hasEnded).toBe(true);
      expect(world.ends).toBe(1);
      expect(new Set(world.submittedIds).size).toBe(world.submittedIds.length);
      expect(world.events.map(({ sequence }) => sequence)).toEqual(world.events.map((_, at) => at + 1));
      const progress = world.events.map((event) => event.progress);
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    }),
    { numRuns: 300 },
  );
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
      expect(after.core.state).toBe(before.world.core.state);
      expect(after.inQueue.toSorted()).toEqual(before.world.inQueue.toSorted());
      expect(after.submitted).toEqual([]);
      expect(after.withdrawn).toEqual([]);
      expect(after.events.at(-1)?.message).toMatch(/^resumed after a restart/);
      for (const name of before.world.inQueue) expect(after.spec(name)).toEqual(before.world.spec(name));
      for (const name of before.world.inQueue) {
        for (const world of [before.world, after])
          world.settle(name, world.end("completed", name, name.endsWith("/when") ? true : { id: name }));
      }
      expect(statesOf(after)).toEqual(statesOf(before.world));
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
