import { NOTHING_LENT } from "./urgencies.ts";
import type { RunDriver } from "./run-driver.ts";
import type { Urgency } from "./run-step.ts";

/** Runs that wait for other runs, which are as urgent as the most urgent of those that wait for them. */
export class RunWaits {
  readonly #find: (workflowId: string) => RunDriver | undefined;
  /** By the id of the run that they wait for. */
  readonly #waiting = new Map<string, Set<RunDriver>>();

  /** @param find a run that has not ended */
  constructor(find: (workflowId: string) => RunDriver | undefined) {
    this.#find = find;
  }

  wait(run: RunDriver): void {
    const ids = dependenciesOf(run);
    for (const id of ids) {
      const others = this.#waiting.get(id);
      if (others) others.add(run);
      else this.#waiting.set(id, new Set([run]));
    }
    this.#lend(ids);
  }

  /** Whoever waited for it, once. */
  take(workflowId: string): RunDriver[] {
    const waiting = this.#waiting.get(workflowId);
    this.#waiting.delete(workflowId);
    return [...(waiting ?? [])];
  }

  /** It waits for nobody any more. */
  forget(run: RunDriver): void {
    const ids = dependenciesOf(run);
    for (const id of ids) {
      const others = this.#waiting.get(id);
      others?.delete(run);
      if (others?.size === 0) this.#waiting.delete(id);
    }
    this.#lend(ids);
  }

  /** Who waits for these runs has changed: a list, not a recursion, since runs may wait in a long row. */
  #lend(workflowIds: readonly string[]): void {
    const changed = [...workflowIds];
    for (const id of changed) {
      const run = this.#find(id);
      if (!run?.lend(this.#mostUrgent(id))) continue;
      if (run.core.isWaiting) changed.push(...dependenciesOf(run));
    }
  }

  #mostUrgent(workflowId: string): Urgency {
    let { priority, deadlineMs } = NOTHING_LENT;
    for (const { core } of this.#waiting.get(workflowId) ?? []) {
      const { urgency } = core;
      priority = Math.max(priority, urgency.priority);
      deadlineMs = Math.min(deadlineMs, urgency.deadlineMs);
    }
    return { priority, deadlineMs };
  }
}

const dependenciesOf = ({ core }: RunDriver): readonly string[] => core.definition.dependencies ?? [];
