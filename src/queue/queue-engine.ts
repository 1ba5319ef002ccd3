import { LIMITS, assert, fault, isFault, sentenceOf, toWireError } from "../errors/index.ts";
import { checkNumber } from "../schema/index.ts";
import type { Timer } from "../scope/index.ts";
import type { Handlers } from "./handlers.ts";
import type { QueueContext, QueueInit } from "./queue-context.ts";
import type { Pause, QueueCore } from "./queue.core.ts";
import type { TaskReceipt, TaskSpec, TaskState } from "./queue.protocol.ts";
import type { QueueRows } from "./queue-rows.ts";
import { QueueTime } from "./queue-time.ts";
import { merged, type Content, type RowChange } from "./row-change.ts";
import { checkCancel, checkReason, checkSpecs } from "./task-spec.ts";
import type { AttemptEnd } from "./task-ends.ts";
import { TaskLogs, type LoggedLine } from "./task-logs.ts";
import { TaskNews } from "./task-news.ts";
import { TaskResults } from "./task-results.ts";
import { receiptOf } from "./task-status.ts";
import { hasEnded, type Place, type Task } from "./task.ts";

/** First and longest pause before a write that failed is tried again. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
/** Ended tasks that leave in one transaction. */
const REMOVE_BATCH = 256;
/** Loaded tasks that are indexed in one turn, which takes a few milliseconds. */
const INDEX_BATCH = 4_096;

/**
 * Joins the core, its rows on disk and the handlers: what the core decides reaches the disk first, and the outside (a
 * reply, an event, a start) only after that.
 *
 * Commands of one turn share one transaction: a submit and the claim of what it brought, or the end of one task and
 * the claim of the next, cost one flush together. When that fails, all of it is taken back.
 */
export class QueueEngine {
  readonly core: QueueCore;
  readonly rows: QueueRows;
  readonly news: TaskNews;
  readonly logs: TaskLogs;
  readonly results: TaskResults;
  readonly #handlers: Handlers;
  readonly #context: QueueContext;
  readonly #init: QueueInit;
  readonly #time: QueueTime;
  /**
   * Of tasks whose submit is not on disk yet, where their rows cannot be asked; and of those that were claimed in the
   * same turn, until they start, so that their input is not read back.
   */
  readonly #contents = new WeakMap<Task, Content>();
  /** Settles with the latest write: has it reached the disk? Null when memory and disk agree. */
  #pending: Promise<boolean> | null = null;
  /** Ends of attempts whose commit failed. Their tasks are busy again, so there are few. */
  #unsettled: (() => void)[] = [];
  #retry: Timer | null = null;
  #retryMs = RETRY_MS_MIN;
  #alarm: { readonly atMs: number; readonly timer: Timer } | null = null;
  #retiring = false;
  /** Tasks whose rows are being removed: memory still has them, the disk perhaps not. */
  readonly #leaving = new Set<Task>();
  #stopping = false;
  #whenIdle: (() => void) | null = null;
  /** Called after whatever may let a worker outside claim something. */
  onChange: () => void = () => undefined;

  constructor(core: QueueCore, rows: QueueRows, handlers: Handlers, context: QueueContext, init: QueueInit) {
    this.core = core;
    this.rows = rows;
    this.#handlers = handlers;
    this.#context = context;
    this.#init = init;
    this.#time = new QueueTime(context.clock);
    this.news = new TaskNews(core, context);
    this.results = new TaskResults(core, rows, this.news.waits, (read) => this.confirmed(read));
    this.logs = new TaskLogs(context.log, (task, lines) => {
      this.track(rows.addLog(task, lines)).catch((error: unknown) => context.log.warn(sentenceOf(error)));
    });
    context.signal.addEventListener("abort", () => (this.#stopping = true), { once: true });
    handlers.onKnown = () => {
      core.place(this.placeOf);
      this.pump();
    };
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  async submit(specs: readonly TaskSpec[]): Promise<TaskReceipt[]> {
    checkSpecs(specs);
    // Whoever asks again for what is there already gets it, even if its handler is gone meanwhile.
    const unplaced = specs.filter(
      ({ taskId, action }) => this.#handlers.placeOf(action) === undefined && !this.core.has(taskId),
    );
    if (unplaced.length > 0) {
      await this.#handlers.check(
        unplaced.map(({ action }) => action),
        (action) => this.core.workers.areOutside(action),
      );
    }
    for (;;) {
      const { tasks, rows } = this.core.submit(specs, this.placeOf, this.#isSameWork, this.nowMs());
      const written = rows.length > 0 ? this.#submitted(rows).then(() => true) : this.#upToDate();
      // What this transaction holds, claims included: while it is written, memory runs ahead.
      const receipts = tasks.map(receiptOf);
      if (await written) return receipts;
      // One of them was there in memory only, and the commit that was to keep it has failed: it is new after all.
    }
  }

  async retry(
    taskId: string,
    change: { readonly attempts?: number; readonly timeoutMs?: number },
  ): Promise<{ taskId: string; retries: number }> {
    await this.confirmed(() => this.core.task(taskId));
    let origin = this.core.task(taskId);
    // Its row may be gone before memory knows.
    while (this.#leaving.has(origin)) {
      await this.flushed();
      origin = this.core.task(taskId);
    }
    // Handlers may be known, or not, that were not, or were, when it was submitted.
    const terms = { ...change, place: this.placeOf(origin.terms.action) };
    const { task, retries, rows } = this.core.retry(origin, this.rows.content(origin), terms, this.nowMs());
    await this.#submitted(rows);
    return { taskId: task.taskId, retries };
  }

  async cancel(
    taskIds: readonly string[],
    reason: string,
    force: boolean,
  ): Promise<{ cancelled: number; cancelling: number }> {
    checkCancel(taskIds, reason);
    const { rows, cancelling } = this.core.cancel(taskIds, reason, this.nowMs());
    if (rows.length > 0) await this.commit(rows);
    // All of them had ended, or were being cancelled, in memory only, and that has been taken back.
    else if (!(await this.#upToDate())) return this.cancel(taskIds, reason, force);
    this.news.ended(rows);
    const graceMs = force ? 0 : this.#init.graceMs;
    for (const task of cancelling) this.#handlers.cancel(task.taskId, graceMs);
    this.pump();
    return {
      cancelled: rows.filter(({ after }) => after.endedAtMs !== null).length,
      cancelling: cancelling.length,
    };
  }

  async reprioritize(
    taskId: string,
    to: { readonly priority: number } | { readonly delta: number },
  ): Promise<{ before: number; after: number }> {
    const task = this.core.task(taskId);
    const before = task.life.priority;
    const { priority: most } = LIMITS.queue;
    if ("priority" in to) checkNumber("priority", to.priority, -most, most);
    else checkNumber("delta", to.delta, -2 * most, 2 * most);
    const wanted = "priority" in to ? to.priority : before + to.delta;
    const after = Math.min(most, Math.max(-most, wanted));
    await this.commit([this.core.reprioritize(task, after)]);
    return { before, after };
  }

  async pause(reason: string): Promise<Pause> {
    checkReason(reason);
    const pause = this.core.pause ?? { sinceMs: this.nowMs(), reason };
    await this.#setPause(pause);
    return pause;
  }

  async resume(): Promise<void> {
    await this.#setPause(null);
    this.pump();
  }

  async release(group: string): Promise<number> {
    const released = this.core.release(group);
    if (released.length === 0) return 0;
    await this.track(this.rows.release(released, () => this.core.unrelease(released)));
    this.#retire();
    return released.length;
  }

  /** Ended tasks leave, whatever their age; those that a group's owner holds stay. */
  async remove(tasks: Iterable<Task>): Promise<number> {
    const leaving = [...tasks].filter((task) => hasEnded(task) && !task.held);
    for (let first = 0; first < leaving.length; first += REMOVE_BATCH) {
      const some = leaving.slice(first, first + REMOVE_BATCH);
      await this.#forget(some);
    }
    return leaving.length;
  }

  /** Their rows go first, so a failure changes nothing. */
  async #forget(tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) this.#leaving.add(task);
    try {
      await this.track(this.rows.remove(tasks, this.core.marks));
      this.core.forget(tasks);
    } finally {
      for (const task of tasks) this.#leaving.delete(task);
    }
  }

  /** Resolves when every change made until now is on disk or undone. Memory may have run ahead again meanwhile. */
  async flushed(): Promise<void> {
    await this.#pending;
  }

  /**
   * What `read` sees in memory, as soon as all of it is on disk. It does not wait for what comes later, so a busy
   * queue answers as well; when what it saw has been taken back, it looks again.
   */
  async confirmed<T>(read: () => T): Promise<T> {
    for (;;) {
      const seen = read();
      if (await this.#upToDate()) return seen;
    }
  }

  /** False: something of what memory holds now has been undone. */
  async #upToDate(): Promise<boolean> {
    return this.#pending === null || (await this.#pending);
  }

  /** What is not known here is somewhere else, or was checked before. */
  readonly placeOf = (action: string): Place => this.#handlers.placeOf(action) ?? "elsewhere";

  /** Milliseconds since 1970, never going back. */
  nowMs(): number {
    return this.#time.now();
  }

  // --- running ------------------------------------------------------------------------------------------------------

  /** Interrupts what the last life left running here, and starts what is queued. */
  open(): void {
    // All of them before the first claim, so that the next to run is chosen among all.
    for (const { taskId, life } of [...this.core.busy]) {
      // Whoever has it outside may go on until its lease ends.
      if (life.leaseUntilMs === null) this.end(taskId, life.token, { kind: "interrupted" });
    }
    this.core.place(this.placeOf);
    this.#retire();
    this.pump();
    this.#index();
    // Tasks that wait for handlers of modules go on when these are known; while a module is broken they wait.
    if (this.#init.modules.length > 0 && this.core.counts.queued > 0) {
      this.#handlers.list().catch((error: unknown) => this.#context.log.warn(sentenceOf(error)));
    }
  }

  /** Gives handlers half of the grace to end by themselves, and hands the attempts of the others back. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#alarm?.timer.cancel();
    await this.#untilIdle(this.#init.graceMs / 2);
    this.#endAgain();
    const nowMs = this.nowMs();
    const rows = [...this.core.workers.local.running].flatMap((task) =>
      this.core.settle(task.taskId, task.life.token, { kind: "returned" }, nowMs),
    );
    try {
      if (rows.length > 0) await this.commit(rows);
      this.news.ended(rows);
    } catch (error) {
      // The next life finds these tasks running and interrupts them; only then does it count.
      this.#context.log.warn("running tasks could not be handed back", { why: sentenceOf(error) });
    }
    this.#retry?.cancel();
  }

  /** @param progress 0 to 1, of the attempt that runs: the pool sends nothing of earlier ones */
  progressed(taskId: string, progress: number, message: string): void {
    if (this.core.progress(taskId, progress)) this.news.progressed(this.core.task(taskId), progress, message);
  }

  logged(taskId: string | null, line: LoggedLine): void {
    this.logs.add(taskId === null ? undefined : this.core.find(taskId), line, this.nowMs());
  }

  /** Claims for every free slot. The start waits for the commit; the claim does not wait for the turn to end. */
  pump(): void {
    // Whoever claims has its failure told and tried again already.
    this.#writeAndClaim([]).catch(() => undefined);
  }

  /** Of a task that starts, whose claim has been committed. */
  takeInput(task: Task): Uint8Array {
    const input = this.#contents.get(task)?.input;
    this.#contents.delete(task);
    return input ?? this.rows.input(task);
  }

  /** Tries again until the end is on disk: an outcome is not lost while this thread lives. */
  end(taskId: string, token: number, end: AttemptEnd): void {
    this.tryEnd(taskId, token, end).catch((error: unknown) => {
      if (isFault(error, "LEASE_LOST")) return this.#context.log.debug(error.message, { task: taskId });
      this.#unsettled.push(() => this.end(taskId, token, end));
      this.#retryLater(error);
    });
  }

  /**
   * Resolves when the end of an attempt is on disk.
   *
   * @throws LEASE_LOST, and nothing has changed; STORE_FULL, STORE_FAILED, and it has been undone
   */
  async tryEnd(taskId: string, token: number, end: AttemptEnd): Promise<TaskState> {
    let rows: RowChange[];
    const log = this.logs.of(taskId);
    try {
      rows = this.core.settle(taskId, token, end, this.nowMs(), log);
    } catch (error) {
      if (isFault(error, "LEASE_LOST")) this.news.refused();
      throw error;
    }
    this.logs.take(taskId);
    try {
      await this.commit(rows);
    } catch (error) {
      this.logs.putBack(taskId, log);
      throw error;
    }
    const [row] = rows;
    assert(row, "an attempt that ends changes its task");
    this.news.attemptEnded(row, end, this.nowMs());
    this.news.ended(rows);
    this.#retire();
    if (this.core.workers.local.running.size === 0) this.#whenIdle?.();
    return row.after.state;
  }

  async #run({ task, after }: RowChange): Promise<void> {
    const { taskId, terms } = task;
    const { token, attempt } = after;
    // The cancellation came between the claim and its commit: there is no handler to tell.
    if (task.life.state === "cancelling") return this.#settle(taskId, token, { kind: "cancelled" });
    assert(task.life.token === token, `task ${taskId} runs under the token of its claim`);
    this.news.started({ task, after });
    let end: AttemptEnd;
    try {
      const input = this.takeInput(task);
      const { action, timeoutMs, place } = terms;
      end = await this.#handlers.run({ taskId, token, action, input, timeoutMs, attempt, place });
    } catch (error) {
      // Neither the task's fault nor its handler's: the input could not be read, or no pool be opened.
      if (!isFault(error)) throw error;
      end = { kind: "interrupted", error: toWireError(error) };
    }
    this.#settle(taskId, token, end);
  }

  /** The end of one attempt and the claim of the next task are one transaction. */
  #settle(taskId: string, token: number, end: AttemptEnd): void {
    this.end(taskId, token, end);
    this.pump();
  }

  /** Turn by turn, so that whoever claims meanwhile does not wait. */
  #index(): void {
    this.#context.scheduler.schedule(() => {
      if (this.core.index(INDEX_BATCH)) this.#index();
    });
  }

  /** Lets ended tasks leave that are too many or too old. */
  #retire(): void {
    if (this.#retiring) return;
    const leaving = this.core.leaving(this.nowMs(), REMOVE_BATCH);
    if (leaving.length === 0) return;
    this.#retiring = true;
    this.#forget(leaving).then(
      () => {
        this.#retiring = false;
        this.#retire();
      },
      (error: unknown) => {
        this.#retiring = false;
        this.#retryLater(error);
      },
    );
  }

  /** One timer for all that time alone changes: to be set anew when something new has an end. */
  arm(): void {
    const nowMs = this.nowMs();
    const atMs = this.core.nextChangeAtMs(nowMs);
    if (this.#alarm?.atMs === atMs) return;
    this.#alarm?.timer.cancel();
    this.#alarm = null;
    if (atMs === Infinity) return;
    const { clock } = this.#context;
    const timer = clock.at(clock.now() + Math.max(1, atMs - nowMs), () => {
      this.#alarm = null;
      this.#expire();
      this.pump();
    });
    this.#alarm = { atMs, timer };
  }

  /** Workers outside that did not renew lose what they have. */
  #expire(): void {
    const nowMs = this.nowMs();
    for (let task = this.core.expired(nowMs); task; task = this.core.expired(nowMs)) {
      const { token, workerId } = task.life;
      const why = fault("UNAVAILABLE", { what: `worker ${workerId ?? ""}`, why: "its lease ran out" });
      // Tried again by looking again: until it is written, its worker may still renew the lease.
      this.tryEnd(task.taskId, token, { kind: "interrupted", error: toWireError(why) }).catch(
        (error: unknown) => this.#retryLater(error),
      );
    }
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  commit(rows: readonly RowChange[]): Promise<void> {
    return this.track(this.rows.write(rows, () => this.core.undo(rows)));
  }

  /** Whoever reads waits for this write as well. */
  track(written: Promise<void>): Promise<void> {
    const pending = written.then(
      () => {
        this.#retryMs = RETRY_MS_MIN;
        return true;
      },
      () => false,
    );
    this.#pending = pending;
    void pending.then(() => {
      if (this.#pending === pending) this.#pending = null;
    });
    return written;
  }

  /** What was decided, and the claims that this allows, as one: a task that can start at once is one row. */
  #writeAndClaim(rows: readonly RowChange[]): Promise<void> {
    const claims = this.#claim();
    if (rows.length + claims.length === 0) return Promise.resolve();
    const undo = (): void => this.core.undo([...rows, ...claims]);
    const written = this.track(this.rows.write(merged(rows, claims), undo));
    if (claims.length > 0) {
      written.then(
        () => claims.forEach((row) => void this.#run(row)),
        (error: unknown) => this.#retryLater(error),
      );
    }
    return written;
  }

  #claim(): RowChange[] {
    if (this.#stopping) return [];
    const { local } = this.core.workers;
    const claims = this.core.claim({ worker: local, max: Infinity, leaseMs: null }, this.nowMs());
    this.news.gauge();
    this.onChange();
    this.arm();
    return claims;
  }

  async #submitted(rows: readonly RowChange[]): Promise<void> {
    for (const { task, content } of rows) if (content) this.#contents.set(task, content);
    try {
      await this.#writeAndClaim(rows);
    } finally {
      for (const { task } of rows) if (!this.core.busy.has(task)) this.#contents.delete(task);
    }
    this.news.submitted(rows.length);
  }

  async #setPause(pause: Pause | null): Promise<void> {
    const before = this.core.pause;
    this.core.pause = pause;
    await this.track(this.rows.setPause(pause, () => (this.core.pause = before)));
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
      this.#expire();
      this.#retire();
      this.pump();
    });
  }

  #endAgain(): void {
    const unsettled = this.#unsettled;
    this.#unsettled = [];
    for (const end of unsettled) end();
  }

  async #untilIdle(timeoutMs: number): Promise<void> {
    if (this.core.workers.local.running.size === 0) return;
    const { clock } = this.#context;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    const timer = clock.at(clock.now() + timeoutMs, resolve);
    await promise;
    timer.cancel();
  }

  readonly #isSameWork = (task: Task, fingerprint: Uint8Array): boolean =>
    Buffer.compare(this.#contents.get(task)?.fingerprint ?? this.rows.fingerprint(task), fingerprint) === 0;
}
