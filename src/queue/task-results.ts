import { LIMITS, fault } from "../errors/index.ts";
import { checkPage } from "../schema/index.ts";
import type { EndWaits } from "./end-waits.ts";
import type { QueueCore } from "./queue.core.ts";
import type { TaskOutcome, TaskStatus } from "./queue.protocol.ts";
import type { QueueRows, Result } from "./queue-rows.ts";
import { statusOf } from "./task-status.ts";
import { hasEnded } from "./task.ts";

/** Resolves with what `read` sees, as soon as that is on disk; what is undone meanwhile is read again. */
export type Confirmed = <T>(read: () => T) => Promise<T>;

/** How tasks ended. An end that is on disk is final. */
export class TaskResults {
  readonly #core: QueueCore;
  readonly #rows: QueueRows;
  readonly #waits: EndWaits;
  readonly #confirmed: Confirmed;

  constructor(core: QueueCore, rows: QueueRows, waits: EndWaits, confirmed: Confirmed) {
    this.#core = core;
    this.#rows = rows;
    this.#waits = waits;
    this.#confirmed = confirmed;
  }

  /** @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  async of(taskId: string): Promise<TaskOutcome> {
    const status = await this.#confirmed(() => statusOf(this.#core.task(taskId)));
    if (status.endedAtMs === null) throw fault("TASK_NOT_FINISHED", { taskId, state: status.state });
    return this.#outcomeOf(status);
  }

  /** @throws TASK_NOT_FOUND, MAILBOX_FULL, and what the signal was aborted with */
  async wait(taskId: string, signal: AbortSignal): Promise<TaskOutcome> {
    for (;;) {
      const status = await this.#confirmed(() => statusOf(this.#core.task(taskId)));
      if (status.endedAtMs !== null) return this.#outcomeOf(status);
      // One that has ended meanwhile, and may have been announced, is looked at again.
      if (!hasEnded(this.#core.task(taskId))) return this.#waits.wait(taskId, signal);
    }
  }

  async group(
    group: string,
    offset: number,
    limit: number,
  ): Promise<{ tasks: TaskOutcome[]; total: number }> {
    checkPage({ offset, limit });
    const { statuses, total } = await this.#confirmed(() => {
      const tasks = this.#core.group(group);
      return { statuses: [...tasks].slice(offset, offset + limit).map(statusOf), total: tasks.size };
    });
    const page: TaskOutcome[] = [];
    let sizeBytes = 0;
    for (const status of statuses) {
      const result = this.#resultOf(status);
      sizeBytes += result.sizeBytes;
      // One message carries the page. A first output that is too large for that alone is for the link to refuse.
      if (page.length > 0 && sizeBytes > LIMITS.queue.pageBytes) break;
      page.push({ ...status, output: result.output, error: result.error });
    }
    return { tasks: page, total };
  }

  #outcomeOf(status: TaskStatus): TaskOutcome {
    const { output, error } = this.#resultOf(status);
    return { ...status, output, error };
  }

  #resultOf({ taskId, endedAtMs }: TaskStatus): Result {
    if (endedAtMs === null) return { output: null, error: null, sizeBytes: 0 };
    return this.#rows.result(this.#core.task(taskId));
  }
}
