import { LIMITS } from "../errors/index.ts";
import { checkInteger, checkWords, invalidArgument } from "../schema/index.ts";
import type { QueueEngine } from "./queue-engine.ts";
import { CLEARED_STATES, type ClearedState, type TaskFilter } from "./queue.protocol.ts";
import { checkFilter } from "./task-filter.ts";
import { hasEnded, isDeadLetter, type Task } from "./task.ts";

/** What is done with tasks that have ended, many at a time. */
export class DeadLetters {
  readonly #engine: QueueEngine;

  constructor(engine: QueueEngine) {
    this.#engine = engine;
  }

  async redrive(
    taskIds: readonly string[] | null,
    filter: TaskFilter,
    limit: number,
  ): Promise<{ redriven: { taskId: string; newTaskId: string }[]; remaining: number }> {
    checkInteger("limit", limit, 1, LIMITS.lists.pageItems);
    let remaining = 0;
    const select = (): Task[] => {
      const letters = this.#select(taskIds, filter);
      remaining = Math.max(0, letters.length - limit);
      return letters.slice(0, limit);
    };
    const made = await this.#engine.retry(select, {});
    const redriven = made.map(({ origin, taskId }) => ({ taskId: origin, newTaskId: taskId }));
    return { redriven, remaining };
  }

  async purge(taskIds: readonly string[] | null, filter: TaskFilter): Promise<number> {
    await this.#engine.flushed();
    return this.#engine.retention.remove(this.#select(taskIds, filter));
  }

  /** Queued tasks are cancelled, ended ones forgotten. Tasks that a workflow run holds are its own. @throws INVALID_ARGUMENT */
  async clear(states: readonly ClearedState[]): Promise<{ cleared: number; remaining: number }> {
    checkWords("states", states, CLEARED_STATES);
    const { core } = this.#engine;
    await this.#engine.flushed();
    const free = [...core.select({ states })].filter(({ held }) => !held);
    const ended = free.filter(hasEnded);
    const queued = free.filter((task) => !hasEnded(task)).map(({ taskId }) => taskId);
    const { batchTasks } = LIMITS.queue;
    let cancelled = 0;
    for (let first = 0; first < queued.length; first += batchTasks) {
      const some = queued.slice(first, first + batchTasks);
      cancelled += (await this.#engine.cancel(some, "the queue was cleared", false)).cancelled;
    }
    const removed = await this.#engine.retention.remove(ended);
    let remaining = 0;
    for (const state of states) remaining += core.counts[state];
    return { cleared: cancelled + removed, remaining };
  }

  /** @throws TASK_NOT_FOUND; INVALID_ARGUMENT for one that is no dead letter: then nothing has changed */
  #select(taskIds: readonly string[] | null, filter: TaskFilter): Task[] {
    checkFilter(filter);
    const { core } = this.#engine;
    if (taskIds === null)
      return [...core.select({ ...filter, deadLetter: true })].filter(({ held }) => !held);
    return [...new Set(taskIds)].map((taskId) => {
      const task = core.task(taskId);
      if (isDeadLetter(task)) return task;
      throw invalidArgument("taskIds", `"${taskId}", which is ${task.life.state}`, "ids of dead letters");
    });
  }
}
