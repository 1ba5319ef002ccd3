import type { RefOf } from "../actor/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { AttemptRecord, Queue, TaskFilter, TaskStatus } from "../queue/queue.protocol.ts";
import { checkTexts } from "../schema/index.ts";
import { toResult, type TaskResult } from "./task-request.ts";
import { throughRestarts } from "./through-restarts.ts";

/** Which dead letters are meant: these, or all for which every given condition holds. */
export type DeadLetterChoice =
  | { readonly taskIds: readonly string[] }
  | (Omit<TaskFilter, "states" | "deadLetter"> & { readonly taskIds?: undefined });

/** A task that failed for good, and how. */
export interface DeadLetter {
  readonly task: TaskResult;
  /** Every attempt with its cause, oldest first. */
  readonly attempts: readonly AttemptRecord[];
}

/** `system.tasks.deadLetters`: tasks that used up their attempts or interruptions. */
export class DeadLetterDoor {
  readonly #queue: RefOf<typeof Queue>;

  constructor(queue: RefOf<typeof Queue>) {
    this.#queue = queue;
  }

  /** In the order of their submission. `limit` is 1 to 1,000, default 100. @throws INVALID_ARGUMENT */
  list(
    filter: Omit<TaskFilter, "states" | "deadLetter"> & {
      readonly offset?: number;
      readonly limit?: number;
    } = {},
  ): Promise<{ tasks: TaskStatus[]; total: number }> {
    const { offset = 0, limit = 100, ...conditions } = filter;
    return throughRestarts(this.#queue, () =>
      this.#queue.call.list({ filter: { ...conditions, deadLetter: true }, offset, limit }),
    );
  }

  /** With the cause of each attempt. @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  async inspect(taskId: string): Promise<DeadLetter> {
    const [outcome, { attempts }] = await Promise.all([
      throughRestarts(this.#queue, () => this.#queue.call.outcome({ taskId })),
      throughRestarts(this.#queue, () => this.#queue.call.attempts({ taskId })),
    ]);
    return { task: toResult(outcome), attempts };
  }

  /**
   * Makes a new task of each, oldest first, at most `limit` (1 to 1,000, default 1,000). The old ones name the new ones
   * and are no dead letters any more.
   *
   * @throws TASK_NOT_FOUND, INVALID_ARGUMENT, QUOTA_EXCEEDED; then no new task was made
   */
  async redrive(
    choice: DeadLetterChoice = {},
    { limit = LIMITS.lists.pageItems }: { readonly limit?: number } = {},
  ): Promise<{ redriven: { taskId: string; newTaskId: string }[]; remaining: number }> {
    return this.#queue.call.redrive({ ...chosen(choice), limit });
  }

  /** Forgets them for good; their ids are free. @throws TASK_NOT_FOUND */
  async purge(choice: DeadLetterChoice = {}): Promise<{ purged: number }> {
    return this.#queue.call.purge(chosen(choice));
  }
}

/** @throws INVALID_ARGUMENT */
function chosen({ taskIds, ...filter }: DeadLetterChoice): { taskIds: string[] | null; filter: TaskFilter } {
  if (taskIds !== undefined) checkTexts("taskIds", taskIds);
  return { taskIds: taskIds === undefined ? null : [...taskIds], filter };
}
