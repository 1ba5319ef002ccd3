import type { ActorContext, InitOf } from "../actor/index.ts";
import { LIMITS, assert, fault, isFault, sentenceOf, toWireError } from "../errors/index.ts";
import { checkPage } from "../schema/index.ts";
import type { Timer } from "../scope/index.ts";
import { METRICS } from "../telemetry/index.ts";
import type { Handlers } from "./handlers.ts";
import type { AttemptEnd, QueueCore, RowChange } from "./queue.core.ts";
import type { Queue, TaskOutcome, TaskSpec, TaskStatus } from "./queue.protocol.ts";
import type { QueueRows, Result } from "./queue-rows.ts";
import { checkCancel, checkSpecs } from "./task-spec.ts";
import { hasEnded, statusOf, type Task } from "./task.ts";

type Members = typeof Queue.members;
export type QueueContext = ActorContext<Members>;
export type QueueInit = InitOf<Members>;

/** First and longest pause before a write that failed is tried again. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
/** Ended tasks that leave in one transaction. */
const RETIRE_BATCH = 256;

/**
 * Joins the core, its rows on disk and the handlers: what the core decides reaches the disk first, and the outside (a
 * reply, an event, a start) only after that.
 *
 * Commands of one turn share one transaction: a submit and the claim of what it brought, or the end of one task and
 * the claim of the next, cost one flush together. When that fails, all of it is taken back.
 */
export class QueueEngine {
  readonly #core: QueueCore;
  readonly #rows: QueueRows;
  readonly #handlers: Handlers;
  readonly #context: QueueContext;
  readonly #init: QueueInit;
  /** Settles with the latest write, whatever became of it; null when memory and disk agree. */
  #pending: Promise<void> | null = null;
  /** Ends of attempts whose commit failed. Their tasks are busy again, so there are few. */
  #unsettled: (() => void)[] = [];
  #retry: Timer | null = null;
  #retryMs = RETRY_MS_MIN;
  #retiring = false;
  #stopping = false;
  #whenIdle: (() => void) | null = null;

  constructor(core: QueueCore, rows: QueueRows, handlers: Handlers, context: QueueContext, init: QueueInit) {
    this.#core = core;
    this.#rows = rows;
    this.#handlers = handlers;
    this.#context = context;
    this.#init = init;
    context.signal.addEventListener("abort", () => (this.#stopping = true), { once: true });
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  async submit(specs: readonly TaskSpec[]): Promise<TaskStatus[]> {
    checkSpecs(specs);
    // Whoever asks again for what is there already gets it, even if its handler is gone meanwhile.
    const actions = specs
      .filter(({ taskId, action }) => !this.#handlers.isBuiltIn(action) && !this.#core.has(taskId))
      .map(({ action }) => action);
    if (actions.length > 0) await this.#handlers.check(actions);
    for (;;) {
      const { tasks, rows } = this.#core.submit(specs, this.#nowMs());
      if (rows.length > 0) {
        const written = this.#commit(rows);
        this.#pump();
        await written;
        this.#context.metrics.count(METRICS.tasksSubmitted, rows.length);
      } else {
        await this.flushed();
      }
      if (tasks.every((task) => this.#core.has(task.taskId))) return tasks.map(statusOf);
      // One of them was in memory only, and the commit that was to keep it has failed: it is new after all.
    }
  }

  async outcome(taskId: string): Promise<TaskOutcome> {
    await this.flushed();
    const task = this.#core.task(taskId);
    if (!hasEnded(task)) throw fault("TASK_NOT_FINISHED", { taskId, state: task.life.state });
    return outcomeOf(task, this.#resultOf(task));
  }

  async group(
    group: string,
    offset: number,
    limit: number,
  ): Promise<{ tasks: TaskOutcome[]; total: number }> {
    checkPage({ offset, limit });
    await this.flushed();
    const tasks = this.#core.group(group);
    const page: TaskOutcome[] = [];
    let sizeBytes = 0;
    for (const task of [...tasks].slice(offset, offset + limit)) {
      const result = this.#resultOf(task);
      sizeBytes += result.sizeBytes;
      // One message carries the page. A first output that is too large for that alone is for the link to refuse.
      if (page.length > 0 && sizeBytes > LIMITS.queue.pageBytes) break;
      page.push(outcomeOf(task, result));
    }
    return { tasks: page, total: tasks.size };
  }

  async cancel(
    taskIds: readonly string[],
    reason: string,
    force: boolean,
  ): Promise<{ cancelled: number; cancelling: number }> {
    checkCancel(taskIds, reason);
    const { rows, cancelling } = this.#core.cancel(taskIds, reason, this.#nowMs());
    await (rows.length > 0 ? this.#commit(rows) : this.flushed());
    const ended = rows.filter((row) => row.after.endedAtMs !== null);
    for (const row of ended) this.#announce(row);
    const graceMs = force ? 0 : this.#init.graceMs;
    for (const task of cancelling) this.#handlers.cancel(task.taskId, graceMs);
    return { cancelled: ended.length, cancelling: cancelling.length };
  }

  async release(group: string): Promise<number> {
    const released = this.#core.release(group);
    if (released.length === 0) return 0;
    await this.#track(this.#rows.release(released, () => this.#core.unrelease(released)));
    this.#retire();
    return released.length;
  }

  /** Resolves when every change made until now is on disk or undone, so that what is read next is true. */
  async flushed(): Promise<void> {
    await this.#pending;
  }

  // --- running ------------------------------------------------------------------------------------------------------

  /** Interrupts what the last life left running, and starts what is queued. */
  open(): void {
    // All of them before the first claim, so that the next to run is chosen among all.
    for (const { taskId, life } of this.#core.busy) this.#end(taskId, life.token, { kind: "interrupted" });
    this.#retire();
    this.#pump();
  }

  /** Gives handlers half of the grace to end by themselves, and hands the attempts of the others back. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#untilIdle(this.#init.graceMs / 2);
    this.#endAgain();
    const nowMs = this.#nowMs();
    const rows = [...this.#core.busy].map((task) =>
      this.#core.settle(task.taskId, task.life.token, { kind: "returned" }, nowMs),
    );
    try {
      if (rows.length > 0) await this.#commit(rows);
      for (const row of rows) if (row.after.endedAtMs !== null) this.#announce(row);
    } catch (error) {
      // The next life finds these tasks running and interrupts them; only then does it count.
      this.#context.log.warn("running tasks could not be handed back", { why: sentenceOf(error) });
    }
    this.#retry?.cancel();
  }

  /** @param progress 0 to 1, of the attempt that runs: the pool sends nothing of earlier ones */
  progressed(taskId: string, progress: number, message: string): void {
    if (!this.#core.progress(taskId, progress)) return;
    const { group } = this.#core.task(taskId);
    this.#context.emit.progressed({ taskId, group, progress, message });
  }

  /** Claims for every free slot. The start waits for the commit; the claim does not wait for the turn to end. */
  #pump(): void {
    if (this.#stopping) return;
    const rows = this.#core.claim(this.#init.threads - this.#core.busy.size, this.#nowMs());
    this.#gauge();
    if (rows.length === 0) return;
    this.#commit(rows).then(
      () => rows.forEach((row) => void this.#run(row)),
      (error: unknown) => this.#retryLater(error),
    );
  }

  async #run({ task, after }: RowChange): Promise<void> {
    const { taskId, action, group, timeoutMs } = task;
    const { token, attempt, startedAtMs } = after;
    // The cancellation came between the claim and its commit: there is no handler to tell.
    if (task.life.state === "cancelling") return this.#settle(taskId, token, { kind: "cancelled" });
    assert(
      startedAtMs !== null && task.life.token === token,
      `task ${taskId} runs under the token of its claim`,
    );
    this.#context.metrics.count(METRICS.tasksStarted);
    if (attempt === 1) {
      this.#context.metrics.observe(METRICS.taskWaitSeconds, (startedAtMs - task.submittedAtMs) / 1_000);
    }
    this.#context.emit.started({ taskId, group, attempt, startedAtMs });
    let end: AttemptEnd;
    try {
      const input = this.#rows.input(task);
      end = await this.#handlers.run({ taskId, token, action, input, timeoutMs, attempt });
    } catch (error) {
      // Neither the task's fault nor its handler's: the input could not be read, or no pool be opened.
      if (!isFault(error)) throw error;
      end = { kind: "interrupted", error: toWireError(error) };
    }
    this.#settle(taskId, token, end);
  }

  /** The end of one attempt and the claim of the next task are one transaction. */
  #settle(taskId: string, token: number, end: AttemptEnd): void {
    this.#end(taskId, token, end);
    this.#pump();
  }

  /** Tries again until the end is on disk: an outcome is not lost while this thread lives. */
  #end(taskId: string, token: number, end: AttemptEnd): void {
    let row: RowChange;
    try {
      row = this.#core.settle(taskId, token, end, this.#nowMs());
    } catch (error) {
      if (!isFault(error, "LEASE_LOST")) throw error;
      this.#context.log.debug(error.message, { task: taskId });
      return;
    }
    this.#commit([row]).then(
      () => this.#ended(row, end),
      (error: unknown) => {
        this.#unsettled.push(() => this.#end(taskId, token, end));
        this.#retryLater(error);
      },
    );
  }

  #ended(row: RowChange, end: AttemptEnd): void {
    const { metrics } = this.#context;
    const { startedAtMs } = row.after;
    if (end.kind === "interrupted") metrics.count(METRICS.tasksInterrupted);
    else if (startedAtMs !== null) {
      metrics.observe(METRICS.taskRunSeconds, (this.#nowMs() - startedAtMs) / 1_000);
    }
    if (row.after.endedAtMs !== null) {
      this.#announce(row);
      this.#retire();
    }
    if (this.#core.busy.size === 0) this.#whenIdle?.();
  }

  #announce({ task, after, output, error }: RowChange): void {
    const { metrics, emit } = this.#context;
    if (after.state === "completed") metrics.count(METRICS.tasksCompleted);
    else if (after.state === "failed") metrics.count(METRICS.tasksFailed);
    else metrics.count(METRICS.tasksCancelled);
    this.#gauge();
    emit.settled(outcomeOf(task, { output: output ?? null, error: error ?? null }));
  }

  /** Lets ended tasks leave that are too many or too old. Their rows go first, so a failure changes nothing. */
  #retire(): void {
    if (this.#retiring) return;
    const expired = this.#core.expired(this.#nowMs(), RETIRE_BATCH);
    if (expired.length === 0) return;
    this.#retiring = true;
    this.#track(this.#rows.remove(expired, this.#core.marks)).then(
      () => {
        this.#core.forget(expired);
        this.#retiring = false;
        this.#retire();
      },
      (error: unknown) => {
        this.#retiring = false;
        this.#retryLater(error);
      },
    );
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  #commit(rows: readonly RowChange[]): Promise<void> {
    return this.#track(this.#rows.write(rows, () => this.#core.undo(rows)));
  }

  #track(written: Promise<void>): Promise<void> {
    const pending = written.then(
      () => void (this.#retryMs = RETRY_MS_MIN),
      () => undefined,
    );
    this.#pending = pending;
    void pending.then(() => {
      if (this.#pending === pending) this.#pending = null;
    });
    return written;
  }

  #retryLater(error: unknown): void {
    if (!isFault(error)) throw error;
    this.#context.log.warn("a write failed and is tried again", { code: error.code, why: error.message });
    if (this.#retry !== null) return;
    const { clock } = this.#context;
    this.#retry = clock.at(clock.now() + this.#retryMs, () => {
      this.#retry = null;
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
      this.#endAgain();
      this.#retire();
      this.#pump();
    });
  }

  #endAgain(): void {
    const unsettled = this.#unsettled;
    this.#unsettled = [];
    for (const end of unsettled) end();
  }

  async #untilIdle(timeoutMs: number): Promise<void> {
    if (this.#core.busy.size === 0) return;
    const { clock } = this.#context;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    const timer = clock.at(clock.now() + timeoutMs, resolve);
    await promise;
    timer.cancel();
  }

  #resultOf(task: Task): Result {
    return hasEnded(task) ? this.#rows.result(task) : { output: null, error: null, sizeBytes: 0 };
  }

  #gauge(): void {
    const { metrics } = this.#context;
    metrics.set(METRICS.tasksQueued, this.#core.counts.queued);
    metrics.set(METRICS.tasksRunning, this.#core.busy.size);
  }

  #nowMs(): number {
    return this.#context.clock.wallNow();
  }
}

function outcomeOf(task: Task, { output, error }: Pick<Result, "output" | "error">): TaskOutcome {
  return { ...statusOf(task), output, error };
}
