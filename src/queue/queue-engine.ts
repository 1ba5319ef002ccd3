import type { MessageContext } from "../actor/index.ts";
import type { AttemptName } from "../compute/index.ts";
import { LIMITS, assert, fault, isFault, sentenceOf, toWireError } from "../errors/index.ts";
import { checkNumber } from "../schema/index.ts";
import { unlessLate, type Timer } from "../scope/index.ts";
import type { LookPlace } from "../store/index.ts";
import { attemptSpan } from "./attempt-span.ts";
import type { Handlers } from "./handlers.ts";
import { PendingWrites } from "./pending-writes.ts";
import type { QueueContext, QueueInit } from "./queue-context.ts";
import type { QueueCore } from "./queue.core.ts";
import type { TaskReceipt, TaskSpec, TaskState } from "./queue.protocol.ts";
import type { QueueRows } from "./queue-rows.ts";
import { QueueTime } from "./queue-time.ts";
import { Retention } from "./retention.ts";
import { merged, type Content, type RowChange } from "./row-change.ts";
import { checkCancel, checkRetry, checkSpecs, fingerprintOf } from "./task-spec.ts";
import type { AttemptEnd } from "./task-ends.ts";
import { TaskLogs, type LoggedLine } from "./task-logs.ts";
import { TaskNews } from "./task-news.ts";
import { TaskResults } from "./task-results.ts";
import { receiptOf } from "./task-status.ts";
import type { Place, Task } from "./task.ts";

/** First and longest pause before a write that failed is tried again. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
/** Loaded tasks that are indexed in one turn, which takes a few milliseconds. */
const INDEX_BATCH = 4_096;

/**
 * Joins the core, its rows on disk and the handlers: what the core decides reaches the disk first, and the outside (a
 * reply, the news of an end) only after that. Handlers start when it is committed, a flush sooner.
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
  readonly retention: Retention;
  readonly #handlers: Handlers;
  readonly #context: QueueContext;
  readonly #init: QueueInit;
  readonly #time: QueueTime;
  /**
   * Of tasks whose submit is not on disk yet, where their rows cannot be asked; and of those that were claimed in the
   * same turn, until they start, so that their input is not read back.
   */
  readonly #contents = new WeakMap<Task, Content>();
  readonly #pending = new PendingWrites(() => (this.#retryMs = RETRY_MS_MIN));
  /** Ends of attempts whose commit failed. Their tasks are busy again, so there are few. */
  #unsettled: (() => void)[] = [];
  #retry: Timer | null = null;
  #retryMs = RETRY_MS_MIN;
  #alarm: { readonly atMs: number; readonly timer: Timer } | null = null;
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
    this.retention = new Retention({
      core,
      rows,
      nowMs: () => this.nowMs(),
      track: (written) => this.track(written),
      onFailure: (error) => this.#retryLater(error),
    });
    this.logs = new TaskLogs(context.log, (task, lines) => {
      // With its task such a line would be gone too.
      if (this.retention.isLeaving(task)) return;
      this.track(rows.addLog(task, lines)).catch((error: unknown) => context.log.warn(sentenceOf(error)));
    });
    context.signal.addEventListener("abort", () => (this.#stopping = true), { once: true });
    handlers.onKnown = () => {
      core.place(this.placeOf);
      this.pump();
    };
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  /** Of a caller that has gone before the tasks could be taken in, nothing is taken in. @throws CANCELLED then */
  async submit(specs: readonly TaskSpec[], caller: Pick<MessageContext, "signal">): Promise<TaskReceipt[]> {
    checkSpecs(specs);
    // Whoever asks again for what is there already gets it, even if its handler is gone meanwhile.
    const unplaced = specs.filter(
      ({ taskId, action }) => this.#handlers.placeOf(action) === undefined && !this.core.has(taskId),
    );
    if (unplaced.length > 0) {
      const checked = this.#handlers.check(
        unplaced.map(({ action }) => action),
        (action) => this.core.workers.areOutside(action),
      );
      await held(checked, caller);
    }
    for (;;) {
      while (this.retention.isAbout(specs)) await held(this.flushed(), caller);
      const { tasks, rows } = this.core.submit(specs, this.#isSameWork, this.nowMs());
      const written = rows.length > 0 ? this.#submitted(rows).then(() => true) : this.#pending.settled();
      // What this transaction holds, claims included: while it is written, memory runs ahead.
      const receipts = tasks.map(receiptOf);
      if (await written) return receipts;
      // One of them was there in memory only, and the commit that was to keep it has failed: it is new after all.
    }
  }

  /** @param select the tasks to do again: asked once for what is on disk, and then for what is true when it happens */
  async retry(
    select: () => readonly Task[],
    change: { readonly attempts?: number; readonly timeoutMs?: number },
    traceparent?: string,
  ): Promise<{ origin: string; taskId: string; retries: number }[]> {
    checkRetry(change);
    await this.confirmed(select);
    let origins = select();
    // Their rows may be gone before memory knows.
    while (origins.some((origin) => this.retention.isLeaving(origin))) {
      await this.flushed();
      origins = select();
    }
    const contentOf = (task: Task): Content => this.#contents.get(task) ?? this.rows.content(task);
    const again = origins.map((task) => ({ task, content: contentOf(task), change, traceparent }));
    const { made, rows } = this.core.retry(again, this.nowMs());
    await this.#submitted(rows);
    this.#learn();
    return made.map(({ origin, task, retries }) => ({ origin: origin.taskId, taskId: task.taskId, retries }));
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
    else if (!(await this.#pending.settled())) return this.cancel(taskIds, reason, force);
    this.news.ended(rows);
    const graceMs = force ? 0 : this.#init.graceMs;
    for (const task of cancelling) this.#handlers.cancel(task.taskId, graceMs);
    this.news.recalled(cancelling);
    this.pump();
    const cancelled = rows.filter(({ after }) => after.endedAtMs !== null).length;
    return { cancelled, cancelling: cancelling.length };
  }

  async withdraw(taskIds: readonly string[]): Promise<string[]> {
    checkCancel(taskIds, "");
    const tasks = this.core.withdraw(taskIds.filter((taskId) => !this.news.waits.has(taskId)));
    if (tasks.length > 0) {
      const undo = (): void => this.core.unwithdraw(tasks);
      await this.decided(this.rows.withdraw(tasks, this.core.marks, undo));
    }
    return tasks.map(({ taskId }) => taskId);
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

  async release(group: string): Promise<number> {
    const released = this.core.release(group);
    if (released.length === 0) return 0;
    await this.track(this.rows.release(released, () => this.core.unrelease(released)));
    this.retention.retire();
    return released.length;
  }

  async forget(group: string): Promise<number> {
    await this.release(group);
    return this.retention.remove(this.core.group(group));
  }

  /** @see Queue */
  async references(
    from: LookPlace,
  ): Promise<{ addresses: string[]; next: LookPlace | null; attemptMs: number }> {
    // Age alone makes nobody let go of tasks: whoever asks for what they name is the occasion.
    this.retention.retire();
    return this.confirmed(() => {
      const nowMs = this.nowMs();
      let attemptMs = 0;
      for (const { life } of this.core.busy) {
        attemptMs = Math.max(attemptMs, nowMs - (life.startedAtMs ?? nowMs));
      }
      return { ...this.rows.references(from), attemptMs };
    });
  }

  /** Resolves when every change made until now is on disk or undone. Memory may have run ahead again meanwhile. */
  async flushed(): Promise<void> {
    await this.#pending.settled();
  }

  /** @see PendingWrites */
  confirmed<T>(read: () => T): Promise<T> {
    return this.#pending.confirmed(read);
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
    this.retention.retire();
    this.pump();
    this.#index();
    this.#learn();
  }

  /** Tasks that wait for handlers of modules go on when these are known; while a module is broken they wait. */
  #learn(): void {
    if (this.#init.modules.length === 0 || !this.core.awaitsHandlers) return;
    this.#handlers.list().catch((error: unknown) => this.#context.log.warn(sentenceOf(error)));
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

  /** @param progress 0 to 1; of any attempt but the one that runs it is dropped */
  progressed(
    { taskId, token }: Pick<AttemptName, "taskId" | "token">,
    progress: number,
    message: string,
  ): void {
    if (!this.core.progress(taskId, token, progress)) return;
    this.news.progressed(this.core.task(taskId), progress, message);
  }

  /** @param by null: no attempt's */
  logged(by: AttemptName | null, line: LoggedLine): void {
    const task = by === null ? undefined : this.core.find(by.taskId);
    const of = by === null || task === undefined ? null : { task, attempt: by.attempt };
    this.logs.add(of, line, this.nowMs(), by?.traceparent);
  }

  /**
   * Claims for every free slot. A start waits for the commit and not for the flush, so that the handler works while the
   * disk does; what it comes to is written after that. The claim does not wait for the turn to end.
   */
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
    this.retention.retire();
    if (this.core.workers.local.running.size === 0) this.#whenIdle?.();
    return row.after.state;
  }

  async #run({ task, after }: RowChange): Promise<void> {
    const { taskId, terms } = task;
    const { token, attempt, place } = after;
    assert(place, "a claim of the pool says where it runs");
    // The cancellation came between the claim and its commit: there is no handler to tell.
    if (task.life.state === "cancelling") return this.#settle(taskId, token, { kind: "cancelled" });
    assert(task.life.token === token, `task ${taskId} runs under the token of its claim`);
    this.news.started({ task, after });
    let end: AttemptEnd;
    try {
      const input = this.takeInput(task);
      const { action, timeoutMs } = terms;
      const span = attemptSpan(task, this.#context.random);
      end = await this.#handlers.run({ taskId, token, action, input, timeoutMs, attempt, place, ...span });
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
      const { taskId, life } = task;
      const why = fault("UNAVAILABLE", { what: `worker ${life.workerId ?? ""}`, why: "its lease ran out" });
      // Tried again by looking again: until it is written, its worker may still renew the lease.
      this.tryEnd(taskId, life.token, { kind: "interrupted", error: toWireError(why) })
        .then(() => this.news.recalled([{ taskId, life }]))
        .catch((error: unknown) => this.#retryLater(error));
    }
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  commit(rows: readonly RowChange[]): Promise<void> {
    return this.track(this.rows.write(rows, () => this.core.undo(rows)));
  }

  /** Whoever reads waits for this write as well. */
  track(written: Promise<void>): Promise<void> {
    return this.#pending.track(written);
  }

  /** Of a change that bounds claims: written or taken back, it may allow some that were not made meanwhile. */
  async decided(written: Promise<void>): Promise<void> {
    try {
      await this.track(written);
    } finally {
      this.pump();
    }
  }

  /** What was decided, and the claims that this allows, as one: a task that can start at once is one row. */
  #writeAndClaim(rows: readonly RowChange[]): Promise<void> {
    const claims = this.#claim();
    if (rows.length + claims.length === 0) return Promise.resolve();
    const undo = (): void => this.core.undo([...rows, ...claims]);
    const start = (): void => claims.forEach((row) => void this.#run(row));
    const written = this.track(this.rows.write(merged(rows, claims), undo, start));
    if (claims.length > 0) written.catch((error: unknown) => this.#retryLater(error));
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
    this.news.submitted(rows.filter(({ before }) => before === null).length);
  }

  #retryLater(error: unknown): void {
    if (!isFault(error)) throw error;
    // Told once for all that waits for it: on a full disk that may be thousands.
    if (this.#retry !== null) return;
    this.#context.log.warn("a write failed and is tried again", { code: error.code, why: error.message });
    const { clock } = this.#context;
    this.#retry = clock.at(clock.now() + this.#retryMs, () => {
      this.#retry = null;
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
      this.#endAgain();
      this.#expire();
      this.retention.retire();
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
    await unlessLate(promise, timeoutMs, clock);
  }

  readonly #isSameWork = (task: Task, fingerprint: Uint8Array): boolean => {
    const input = this.#contents.get(task)?.input;
    const known = input ? fingerprintOf({ action: task.terms.action, input }) : this.rows.fingerprint(task);
    return Buffer.compare(known, fingerprint) === 0;
  };
}

/** What waited for so long could come to pass after what the next life of its caller has decided. @throws CANCELLED */
async function held(wait: Promise<void>, { signal }: Pick<MessageContext, "signal">): Promise<void> {
  await wait;
  if (signal.aborted) throw fault("CANCELLED", { what: "the submission" }, { cause: signal.reason });
}
