import type { RunBoard } from "./run-board.ts";
import { hasEnded, type RunStep, type Urgency } from "./run-step.ts";

/**
 * Priority inheritance: a step is as urgent as the most urgent of the steps that wait for it, directly or not, and have
 * not ended; and so is every step of a run that other runs wait for. Worked out once from the last steps to the first;
 * then, when steps end, for those alone that they had waited for.
 *
 * @see https://doi.org/10.1109/12.57058 (Sha, Rajkumar and Lehoczky 1990, priority inheritance protocols)
 */
export class Urgencies {
  readonly #board: RunBoard;
  readonly #priority: Float64Array;
  readonly #deadlineMs: Float64Array;
  /** No step has a wish of its own, so all are as urgent as the run. */
  readonly #isUniform: boolean;
  #lent: Urgency = NOTHING_LENT;
  /** Steps that may have become less urgent. */
  readonly #dirty: number[] = [];

  constructor(board: RunBoard) {
    const { steps } = board;
    this.#board = board;
    this.#priority = new Float64Array(steps.length);
    this.#deadlineMs = new Float64Array(steps.length);
    this.#isUniform = steps.every(
      ({ definition }) => definition.priority === undefined && definition.deadlineMs === undefined,
    );
    this.#settleAll();
  }

  of({ at }: RunStep): Urgency {
    return { priority: this.#priority[at] ?? 0, deadlineMs: this.#deadlineMs[at] ?? Infinity };
  }

  /** That of its most urgent step: what a run lends to those that it waits for. */
  get most(): Urgency {
    let [priority, deadlineMs] = [-Infinity, Infinity];
    for (const { at } of this.#board.steps) {
      priority = Math.max(priority, this.#priority[at] ?? -Infinity);
      deadlineMs = Math.min(deadlineMs, this.#deadlineMs[at] ?? Infinity);
    }
    return { priority, deadlineMs };
  }

  /** What the runs that wait for this one lend it. Returns whether that has changed anything. */
  lend(urgency: Urgency): boolean {
    if (urgency.priority === this.#lent.priority && urgency.deadlineMs === this.#lent.deadlineMs)
      return false;
    this.#lent = urgency;
    this.#settleAll();
    return true;
  }

  /** A step has ended: it wants nothing of others any more. */
  ended({ at }: RunStep): void {
    if (this.#isUniform) return;
    for (const before of this.#board.dag.dependencies(at)) {
      if (!hasEnded(this.#board.stepAt(before))) this.#dirty.push(before);
    }
  }

  /** Steps that have become less urgent since this was asked last. */
  settle(): RunStep[] {
    const changed: RunStep[] = [];
    for (let at = this.#dirty.pop(); at !== undefined; at = this.#dirty.pop()) {
      if (!this.#settle(at)) continue;
      const step = this.#board.stepAt(at);
      changed.push(step);
      this.ended(step);
    }
    return changed;
  }

  #settleAll(): void {
    const { order } = this.#board.dag;
    for (let index = order.length - 1; index >= 0; index--) this.#settle(order[index] ?? 0);
  }

  /** False: it is as urgent as it was. */
  #settle(at: number): boolean {
    const { definition, deadlineMs: runDeadlineMs, dag } = this.#board;
    const step = this.#board.stepAt(at);
    let priority = Math.max(step.definition.priority ?? definition.priority, this.#lent.priority);
    let deadlineMs = Math.min(step.definition.deadlineMs ?? Infinity, runDeadlineMs, this.#lent.deadlineMs);
    for (const after of this.#isUniform ? NONE : dag.dependents(at)) {
      if (hasEnded(this.#board.stepAt(after))) continue;
      priority = Math.max(priority, this.#priority[after] ?? priority);
      deadlineMs = Math.min(deadlineMs, this.#deadlineMs[after] ?? deadlineMs);
    }
    if (this.#priority[at] === priority && this.#deadlineMs[at] === deadlineMs) return false;
    this.#priority[at] = priority;
    this.#deadlineMs[at] = deadlineMs;
    return true;
  }
}

export const NOTHING_LENT: Urgency = { priority: -Infinity, deadlineMs: Infinity };
const NONE: readonly number[] = [];
