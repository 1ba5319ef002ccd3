import type { QueueCore } from "./queue.core.ts";
import type { QueueRows } from "./queue-rows.ts";
import type { TaskSpec } from "./queue.protocol.ts";
import { hasEnded, type Task } from "./task.ts";

/** Tasks that leave in one transaction. */
const BATCH = 256;

export interface RetentionServices {
  readonly core: QueueCore;
  readonly rows: QueueRows;
  readonly nowMs: () => number;
  /** Whoever reads waits for this write as well. */
  readonly track: (written: Promise<void>) => Promise<void>;
  /** Told of a removal that failed and that nobody had asked for. */
  readonly onFailure: (error: unknown) => void;
}

/** Lets ended tasks leave: from the disk first, so that a failure changes nothing, and then from memory. */
export class Retention {
  readonly #services: RetentionServices;
  /** Tasks whose rows are being removed: memory still has them, the disk perhaps not. */
  readonly #leaving = new Set<Task>();
  #retiring = false;

  constructor(services: RetentionServices) {
    this.#services = services;
  }

  isLeaving(task: Task): boolean {
    return this.#leaving.has(task);
  }

  /** Is one of them, by its id or its key, a task whose row may be gone before memory knows? */
  isAbout(specs: readonly TaskSpec[]): boolean {
    if (this.#leaving.size === 0) return false;
    const { core } = this.#services;
    return specs.some(({ taskId, idempotencyKey }) => {
      const named = [
        core.find(taskId),
        idempotencyKey === undefined ? undefined : core.ofKey(idempotencyKey),
      ];
      return named.some((task) => task !== undefined && this.#leaving.has(task));
    });
  }

  /** Ended tasks leave, whatever their age; those that a group's owner holds stay. */
  async remove(tasks: Iterable<Task>): Promise<number> {
    const leaving = [...tasks].filter((task) => hasEnded(task) && !task.held);
    for (let first = 0; first < leaving.length; first += BATCH) {
      await this.#forget(leaving.slice(first, first + BATCH));
    }
    return leaving.length;
  }

  /** Lets those leave that are too many or too old. */
  retire(): void {
    if (this.#retiring) return;
    const { core, nowMs, onFailure } = this.#services;
    const leaving = core.leaving(nowMs(), BATCH);
    if (leaving.length === 0) return;
    this.#retiring = true;
    this.#forget(leaving).then(
      () => {
        this.#retiring = false;
        this.retire();
      },
      (error: unknown) => {
        this.#retiring = false;
        onFailure(error);
      },
    );
  }

  async #forget(tasks: readonly Task[]): Promise<void> {
    const { core, rows, track } = this.#services;
    for (const task of tasks) this.#leaving.add(task);
    try {
      await track(rows.remove(tasks, core.marks));
      core.forget(tasks);
      rows.tidyTerms(() => core.usedTerms());
    } finally {
      for (const task of tasks) this.#leaving.delete(task);
    }
  }
}
