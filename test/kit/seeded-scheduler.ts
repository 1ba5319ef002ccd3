import { assert } from "../../src/errors/index.ts";
import type { Random, Scheduler } from "../../src/scope/index.ts";
import { microtasksDrained } from "./microtasks.ts";

/** Collects what is ready and lets chance pick what runs next: every order that threads could produce, by seed. */
export interface SeededScheduler extends Scheduler {
  /** Runs one callback and all microtasks it made ready. False, and nothing happens, when none is ready. */
  step(): Promise<boolean>;
  /**
   * Steps until nothing is ready.
   *
   * @returns How many callbacks ran. Rejects after `stepsMax` (default 100,000): two parties that keep waking each
   * other would otherwise run for ever.
   */
  runAll(stepsMax?: number): Promise<number>;
  /** Callbacks that are ready. */
  readonly ready: number;
}

/**
 * @param random Picks the next callback, with equal chances for all that are ready. Callbacks of one scheduler may
 * therefore overtake each other: whoever promises order must not lean on the order of turns.
 */
export function seededScheduler(random: Random): SeededScheduler {
  const ready: (() => void)[] = [];

  const scheduler: SeededScheduler = {
    schedule: (run) => void ready.push(run),
    async step() {
      // What is about to be scheduled by a pending promise is ready too, and may be picked.
      await microtasksDrained();
      const [run] = ready.splice(Math.floor(random.next() * ready.length), 1);
      if (run === undefined) return false;
      run();
      await microtasksDrained();
      return true;
    },
    async runAll(stepsMax = 100_000) {
      let steps = 0;
      while (await scheduler.step()) {
        steps++;
        assert(steps < stepsMax || ready.length === 0, `still ${ready.length} ready after ${steps} steps`);
      }
      return steps;
    },
    get ready() {
      return ready.length;
    },
  };
  return scheduler;
}
