import type { RefOf } from "../actor/index.ts";
import { LIMITS, isFault } from "../errors/index.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import { throughRestarts } from "./through-restarts.ts";

/** What is needed of the queue. */
export interface CancellingQueue extends Pick<RefOf<typeof Queue>, "ready" | "writable"> {
  readonly call: Pick<RefOf<typeof Queue>["call"], "cancel">;
}

/** By task: those who wait for it to be told. */
type Asked = Map<string, PromiseWithResolvers<void>>;

/**
 * Withdrawals of single tasks. Those of one moment, such as of all that a scope has started, travel together; and a queue
 * that has its mailbox full hears of them as soon as it has room.
 */
export class TaskCancels {
  readonly #queue: CancellingQueue;
  /** By reason. */
  #asked = new Map<string, Asked>();

  constructor(queue: CancellingQueue) {
    this.#queue = queue;
  }

  /**
   * Resolves when a queued task has ended, and a running one's handler is being told.
   *
   * @throws TASK_NOT_FOUND, DEADLINE_EXCEEDED, ACTOR_STOPPED; MAILBOX_FULL when too many calls wait for their reply
   */
  cancel(taskId: string, reason: string): Promise<void> {
    if (this.#asked.size === 0) queueMicrotask(() => this.#sendAll());
    const asked = this.#asked.get(reason) ?? new Map<string, PromiseWithResolvers<void>>();
    this.#asked.set(reason, asked);
    const known = asked.get(taskId) ?? Promise.withResolvers<void>();
    asked.set(taskId, known);
    return known.promise;
  }

  #sendAll(): void {
    const all = this.#asked;
    this.#asked = new Map();
    for (const [reason, asked] of all) {
      const entries = [...asked];
      for (let first = 0; first < entries.length; first += LIMITS.queue.batchTasks) {
        void this.#send(new Map(entries.slice(first, first + LIMITS.queue.batchTasks)), reason);
      }
    }
  }

  /** Never rejects: each of them is told by its own promise. */
  async #send(asked: Asked, reason: string): Promise<void> {
    while (asked.size > 0) {
      try {
        const cancel = { taskIds: [...asked.keys()], reason, force: false };
        await throughRestarts(this.#queue, () => this.#queue.call.cancel(cancel));
        for (const { resolve } of asked.values()) resolve();
        return;
      } catch (error) {
        await this.#refused(asked, error);
      }
    }
  }

  /** One that is not there keeps the queue from cancelling the others: they are asked for again without it. */
  async #refused(asked: Asked, error: unknown): Promise<void> {
    if (isFault(error, "TASK_NOT_FOUND") && asked.has(error.details.taskId)) {
      asked.get(error.details.taskId)?.reject(error);
      asked.delete(error.details.taskId);
    } else if (!(await this.#hasRoomNow(error))) {
      for (const { reject } of asked.values()) reject(error);
      asked.clear();
    }
  }

  /** Waits for room where that is what was missing. @returns whether to ask again */
  async #hasRoomNow(error: unknown): Promise<boolean> {
    if (!isFault(error, "MAILBOX_FULL") || error.details.unit === "calls in flight") return false;
    try {
      await this.#queue.writable();
      return true;
    } catch (gone) {
      if (isFault(gone)) return false;
      throw gone;
    }
  }
}
