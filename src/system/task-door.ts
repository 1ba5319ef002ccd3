import { randomUUID } from "node:crypto";
import { addressesOf, touchValues } from "../compute/values.ts";
import { LIMITS, fault, fromWireError } from "../errors/index.ts";
import type {
  Admission,
  AttemptRecord,
  ClearedState,
  Explanation,
  QueuePosition,
  QueueStats,
  TaskFilter,
  TaskLogLine,
  TaskReceipt,
  TaskSpec,
  TaskStatus,
} from "../queue/queue.protocol.ts";
import { checkTexts } from "../schema/index.ts";
import { DeadLetterDoor } from "./dead-letter-door.ts";
import { QuotaDoor } from "./quota-door.ts";
import {
  messageBytesOf,
  toResult,
  toSpec,
  traceOf,
  unreachable,
  type TaskRequest,
  type TaskResult,
} from "./task-request.ts";
import { TaskCancels } from "./task-cancels.ts";
import { TaskWorker, type TaskServices, type WorkOptions, type WorkSummary } from "./task-worker.ts";
import { throughRestarts } from "./through-restarts.ts";
import { reasonOf, unlessWithdrawn, withdrawn } from "./withdrawal.ts";
import { WorkerDoor } from "./worker-door.ts";

export interface TaskPage {
  /** From 0, which is the default. */
  readonly offset?: number;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

export interface TaskCancelOptions {
  /** Becomes part of the task's error; default "cancelled by the caller". */
  readonly reason?: string;
  /** Terminates running handlers at once instead of after their grace; default false. */
  readonly force?: boolean;
}

export interface TaskWaitOptions {
  /** Aborting it ends the wait, and nothing else. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds; default: for ever. */
  readonly timeoutMs?: number;
}

/** What a submit may take: the first one of an action that is not built in loads the modules on a handler thread. */
const SUBMIT_MS = LIMITS.compute.startMs + LIMITS.compute.loadMs;
/** A batch stays well below what a message may have, because the lengths of its parts are estimated. */
const BATCH_BYTES = LIMITS.actor.messageBytes / 4;

/**
 * Tasks of one's own: the queue as a program sees it, with values instead of bytes. `system.tasks` is one.
 *
 * Questions, submits, cancellations, and whatever else changes nothing when it is asked again, are carried through
 * restarts of the queue. `clear`, `retry`, `redrive`, `purge`, a priority by `delta` and the removal of a worker or a
 * quota are not: they reject with ACTOR_RESTARTING, and whether they were carried out can be looked up.
 */
export class TaskDoor {
  readonly #services: TaskServices;
  readonly #cancels: TaskCancels;
  /** Tasks that failed for good. */
  readonly deadLetters: DeadLetterDoor;
  /** Workers outside the queue's own pool. */
  readonly workers: WorkerDoor;
  /** Bounds for all tasks of an action or a tag. */
  readonly quotas: QuotaDoor;

  constructor(services: TaskServices) {
    this.#services = services;
    this.#cancels = new TaskCancels(services.queue);
    this.deadLetters = new DeadLetterDoor(services.queue);
    this.workers = new WorkerDoor(services.queue);
    this.quotas = new QuotaDoor(services.queue);
  }

  /**
   * Resolves when the task is on disk and will be carried out, whatever happens. A task that is there already, under
   * its id with the same work or under its idempotency key, is returned as it stands.
   *
   * @throws INVALID_ARGUMENT, NOT_A_WIRE_VALUE (the input), BLOB_MISSING (the input refers to what has left),
   *   ALREADY_EXISTS (the id, with other work), IDEMPOTENCY_CONFLICT, UNKNOWN_ACTION, MODULE_INVALID, UNKNOWN_DEPENDENCY, DEPENDENCY_FAILED, QUOTA_EXCEEDED,
   *   DEADLINE_UNREACHABLE (with `admit`)
   */
  async submit(request: TaskRequest): Promise<TaskReceipt> {
    const [receipt] = await this.submitMany([request]);
    if (receipt === undefined)
      throw fault("UNAVAILABLE", { what: "the receipt", why: "the queue gave none" });
    return receipt;
  }

  /**
   * `submit` for many. They go in batches of up to 10,000 tasks or 4 MiB, each accepted as a whole or not at all, in
   * order: when one is refused, those before it are in and those after it are not. Asking again with the same ids is
   * safe. A task may depend on an earlier one.
   *
   * @throws what `submit` throws
   */
  async submitMany(requests: readonly TaskRequest[]): Promise<TaskReceipt[]> {
    const { queue, blobs } = this.#services;
    const ready = requests.map(toSpec);
    const specs = ready.map(({ spec }) => spec);
    const references = ready.flatMap((task) => task.references);
    if (blobs !== null) await touchValues(addressesOf(references), blobs);
    for (const [at, spec] of specs.entries()) {
      // What has no deadline can always be met.
      if (requests[at]?.admit && spec.deadlineMs !== undefined) await this.#mustBeFeasible(spec);
    }
    const receipts: TaskReceipt[] = [];
    for (const tasks of batchesOf(specs)) {
      const answer = await throughRestarts(queue, () =>
        queue.call.submit({ tasks }, { timeoutMs: SUBMIT_MS }),
      );
      receipts.push(...answer.tasks);
    }
    return receipts;
  }

  /** Can a task like this end by its deadline at the present load? Changes nothing. @throws as `submit` does */
  admission(request: TaskRequest): Promise<Admission> {
    return this.#admission(toSpec(request).spec);
  }

  /**
   * Submits, waits for the end, and returns the output. Aborting the signal cancels the task and waits until its
   * handler has left, also a task that others have submitted before under this id or idempotency key.
   *
   * @throws what `submit` throws; the task's own error when it failed; CANCELLED when it was cancelled, or withdrawn
   *   before it was submitted, and then nothing happened
   */
  async run<T = unknown>(
    request: TaskRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    const id = request.id ?? randomUUID();
    const what = `task "${id}"`;
    if (signal?.aborted) throw withdrawn(what, signal);
    const { taskId } = await unlessWithdrawn(this.submit({ ...request, id }), {
      what,
      signal,
      clock: this.#services.clock,
      undo: () => this.#cancels.cancel(id, reasonOf(signal)),
    });
    const waiting = new AbortController();
    const onAbort = (): void => {
      // A task that cannot be cancelled is not waited for.
      this.#cancels.cancel(taskId, reasonOf(signal)).catch((error: unknown) => waiting.abort(error));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      const { state, output, error } = await this.wait(taskId, { signal: waiting.signal });
      if (state === "completed") return output as T;
      throw error ? fromWireError(error) : fault("CANCELLED", { what });
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** As it is now. @throws TASK_NOT_FOUND */
  status(taskId: string): Promise<TaskStatus> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.status({ taskId }));
  }

  /** How many queued tasks are ahead of it, and when it would start at the present pace. @throws TASK_NOT_FOUND */
  position(taskId: string): Promise<QueuePosition> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.position({ taskId }));
  }

  /** How it ended, and what came out. @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  async result(taskId: string): Promise<TaskResult> {
    const { queue } = this.#services;
    return toResult(await throughRestarts(queue, () => queue.call.outcome({ taskId })));
  }

  /**
   * Resolves when the task has ended, with how: a failed task is an answer, not an exception.
   *
   * @throws TASK_NOT_FOUND; CANCELLED, DEADLINE_EXCEEDED when the wait was cut, and the task goes on
   */
  async wait(taskId: string, { signal, timeoutMs = Infinity }: TaskWaitOptions = {}): Promise<TaskResult> {
    const { queue, clock } = this.#services;
    const untilMs = clock.now() + timeoutMs;
    const ask = () =>
      queue.call.wait(
        { taskId },
        { ...(signal && { signal }), timeoutMs: Math.max(0, untilMs - clock.now()) },
      );
    return toResult(await throughRestarts(queue, ask, signal));
  }

  /** Tasks in the order of their submission; all given conditions hold for each. @throws INVALID_ARGUMENT */
  list(filter: TaskFilter & TaskPage = {}): Promise<{ tasks: TaskStatus[]; total: number }> {
    const { queue } = this.#services;
    const { offset = 0, limit = 100, ...conditions } = filter;
    return throughRestarts(queue, () => queue.call.list({ filter: conditions, offset, limit }));
  }

  /**
   * Stops tasks. Queued ones have ended when it resolves; running handlers see their signal, and after their grace lose
   * their thread: `wait` tells when they have ended. Those that had ended stay as they are.
   *
   * @throws TASK_NOT_FOUND for any unknown id, and then nothing is cancelled
   */
  async cancel(
    taskIds: string | readonly string[],
    { reason = "cancelled by the caller", force = false }: TaskCancelOptions = {},
  ): Promise<{ cancelled: number; cancelling: number }> {
    const { queue } = this.#services;
    const ids = typeof taskIds === "string" ? [taskIds] : taskIds;
    checkTexts("taskIds", ids);
    return throughRestarts(queue, () => queue.call.cancel({ taskIds: [...ids], reason, force }));
  }

  /**
   * Gives a task that has not ended another priority: the given one, or the present one plus `delta`. It has its new
   * place when this resolves; one that runs has it for its next attempt.
   *
   * @throws TASK_NOT_FOUND, TASK_ENDED, INVALID_ARGUMENT
   */
  reprioritize(
    taskId: string,
    to: number | { readonly delta: number },
  ): Promise<{ before: number; after: number }> {
    const { queue } = this.#services;
    if (typeof to !== "number") return queue.call.reprioritize({ taskId, to: { delta: to.delta } });
    return throughRestarts(queue, () => queue.call.reprioritize({ taskId, to: { priority: to } }));
  }

  /** Starts nothing from now on; what runs goes on to its end. Holds until `resume`, through restarts too. */
  pause({ reason = "" }: { readonly reason?: string } = {}): Promise<{
    sinceMs: number;
    queued: number;
    running: number;
  }> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.pause({ reason }));
  }

  /** Starts again what waits, in its order. */
  resume(): Promise<{ queued: number }> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.resume());
  }

  /** Cancels the queued tasks, and forgets the ended ones, of these states. Running ones stay. @throws INVALID_ARGUMENT */
  clear(states: readonly ClearedState[]): Promise<{ cleared: number; remaining: number }> {
    return this.#services.queue.call.clear({ states: [...states] });
  }

  /**
   * A new task with the work of one that failed or was cancelled. The old one stays as it ended, and names the new one.
   * It is part of the trace of whoever asks for it, else of that of the old one.
   *
   * @throws TASK_NOT_FOUND, and what the queue says of a task that cannot be retried
   */
  retry(
    taskId: string,
    changes: { readonly attempts?: number; readonly timeoutMs?: number; readonly traceparent?: string } = {},
  ): Promise<{ taskId: string; retries: number }> {
    const { traceparent: _, ...rest } = changes;
    return this.#services.queue.call.retry({ taskId, ...rest }, traceOf(changes));
  }

  /** Every attempt that did not complete the task, oldest first. @throws TASK_NOT_FOUND */
  async attempts(taskId: string): Promise<AttemptRecord[]> {
    const { queue } = this.#services;
    return (await throughRestarts(queue, () => queue.call.attempts({ taskId }))).attempts;
  }

  /**
   * What its handler logged and printed, oldest first; `dropped` lines were too many. A page of long lines has fewer of
   * them than asked for.
   *
   * @throws TASK_NOT_FOUND
   */
  logs(
    taskId: string,
    { offset = 0, limit = 100 }: TaskPage = {},
  ): Promise<{ lines: TaskLogLine[]; total: number; dropped: number }> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.logs({ taskId, offset, limit }));
  }

  /** Why it is not running, in data and in sentences. @throws TASK_NOT_FOUND */
  explain(taskId: string): Promise<Explanation> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.explain({ taskId }));
  }

  /** Tasks by state, times, and what the queue has done since it was opened. */
  stats(): Promise<QueueStats> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.stats());
  }

  /**
   * Works off tasks in the caller's own process until the signal aborts, and then waits for the handlers that run. What
   * exactly is promised is written at `TaskWorker`.
   *
   * @throws INVALID_ARGUMENT; UNKNOWN_NAME when someone unregisters the worker; ACTOR_STOPPED
   */
  async work(options: WorkOptions): Promise<WorkSummary> {
    return new TaskWorker(this.#services, options).run();
  }

  #admission(task: TaskSpec): Promise<Admission> {
    const { queue } = this.#services;
    return throughRestarts(queue, () => queue.call.admission({ task }, { timeoutMs: SUBMIT_MS }));
  }

  async #mustBeFeasible(spec: TaskSpec): Promise<void> {
    const { feasible, reason } = await this.#admission(spec);
    if (!feasible) throw unreachable(spec.taskId, reason);
  }
}

/** In order, each within what one submit takes. */
function batchesOf(specs: readonly TaskSpec[]): TaskSpec[][] {
  const batches: TaskSpec[][] = [];
  let sizeBytes = 0;
  for (const spec of specs) {
    const last = batches.at(-1);
    const bytes = messageBytesOf(spec);
    sizeBytes += bytes;
    if (last && last.length < LIMITS.queue.batchTasks && sizeBytes <= BATCH_BYTES) last.push(spec);
    else {
      batches.push([spec]);
      sizeBytes = bytes;
    }
  }
  return batches;
}
