import type { RefOf } from "../actor/index.ts";
import type { Queue, WorkerSpec, WorkerStatus } from "../queue/queue.protocol.ts";
import { throughRestarts } from "./through-restarts.ts";

export interface UnregisterOptions {
  /** What it has may end; default true. Otherwise that is taken back at once. */
  readonly graceful?: boolean;
  /** How long what it has may take to end, in milliseconds; default 300,000. */
  readonly timeoutMs?: number;
}

/** What the answer may take beyond the time that the worker's tasks are given. */
const MARGIN_MS = 5_000;
const DRAIN_MS = 300_000;

/** `system.tasks.workers`: who takes tasks, beside the queue's own pool, which is the worker `local`. */
export class WorkerDoor {
  readonly #queue: RefOf<typeof Queue>;

  constructor(queue: RefOf<typeof Queue>) {
    this.#queue = queue;
  }

  /** One that registers again has its new capabilities, and keeps what it has. @throws INVALID_ARGUMENT */
  register(worker: WorkerSpec): Promise<WorkerStatus> {
    return throughRestarts(this.#queue, () => this.#queue.call.registerWorker({ worker }));
  }

  /**
   * It gets no more tasks. Resolves when it is gone: when what it has has ended, or when the time is over and the rest
   * was interrupted and queued again.
   *
   * @throws UNKNOWN_NAME
   */
  unregister(
    workerId: string,
    { graceful = true, timeoutMs = DRAIN_MS }: UnregisterOptions = {},
  ): Promise<{ completed: number; abandoned: number }> {
    return this.#queue.call.unregisterWorker(
      { workerId, graceful, timeoutMs },
      { timeoutMs: timeoutMs + MARGIN_MS },
    );
  }

  async list(): Promise<WorkerStatus[]> {
    return (await throughRestarts(this.#queue, () => this.#queue.call.workers())).workers;
  }

  /** @throws UNKNOWN_NAME */
  status(workerId: string): Promise<WorkerStatus> {
    return throughRestarts(this.#queue, () => this.#queue.call.worker({ workerId }));
  }
}
