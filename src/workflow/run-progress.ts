import type { RunStep } from "./run-step.ts";

/**
 * How far a run is: each step counts by how long it is expected to take, as was known when the run was submitted. It
 * never goes back: a step that is tried again is told of when it has come further than before.
 */
export class RunProgress {
  readonly #weights: Float64Array;
  readonly #total: number;
  #done = 0;
  #reached = 0;

  /** @param weights one for each step, in any unit, above 0 */
  constructor(weights: Float64Array) {
    this.#weights = weights;
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** 0 to 1. */
  get reached(): number {
    return this.#reached;
  }

  /** @param fraction 0 to 1; cut to that */
  set(step: RunStep, fraction: number): void {
    const progress = Math.min(1, Math.max(0, fraction));
    this.#add(step.at, progress - step.progress);
    step.progress = progress;
  }

  /** What a step had done counts no more: it ended without completing. */
  drop(step: RunStep): void {
    this.#add(step.at, -step.progress);
  }

  /** There is nothing to be done for it. */
  credit(step: RunStep): void {
    this.#add(step.at, 1);
  }

  #add(at: number, share: number): void {
    this.#done += (this.#weights[at] ?? 0) * share;
    this.#reached = Math.min(1, Math.max(this.#reached, this.#done / this.#total));
  }
}
