import { LIMITS, assert, fault } from "../errors/index.ts";
import { advance, taskTable } from "../lifecycle/index.ts";
import type { ClaimTerms, CoreLimits, CoreOptions, Kept, Marks, Pause } from "./core-options.ts";
import { Departed } from "./departed.ts";
import { explainTask } from "./explanation.ts";
import { Pace, admissionOf } from "./pace.ts";
import { QuotaBook, type QuotasBefore } from "./quota-book.ts";
import type {
  Admission,
  Explanation,
  Quota,
  QueuePosition,
  TaskFilter,
  TaskLogLine,
  TaskOrder,
  TaskSpec,
  TaskState,
} from "./queue.protocol.ts";
import type { Lane } from "./lanes.ts";
import type { RowChange } from "./row-change.ts";
import { Seats } from "./seats.ts";
import { Submission, type Retried, type Retry, type SubmissionView } from "./submission.ts";
import { TaskBook } from "./task-book.ts";
import { TaskEnds, type AttemptEnd } from "./task-ends.ts";
import { matches } from "./task-filter.ts";
import { keysBy } from "./task-order.ts";
import { hasEnded, type Place, type Task, type TaskLife, type Terms } from "./task.ts";
import { TermsPool } from "./terms-pool.ts";
import { Workers, type Worker } from "./workers.ts";

export type { AttemptEnd, ClaimTerms, CoreLimits, CoreOptions, Kept, Marks, Pause };

const NONE: readonly string[] = [];

/**
 * The queue without its disk and threads: which tasks there are, which runs next, and what may happen to each.
 *
 * Commands change the memory at once and return the rows that must reach the disk; if those do not, `undo` with the
 * same rows, latest first, restores what was. Deterministic: times are arguments, chance is handed in, and no two
 * tasks are ever equal in order. Every state is entered through the compiled lifecycle table.
 */
export class QueueCore {
  readonly order: TaskOrder;
  readonly workers: Workers;
  readonly pace = new Pace();
  readonly #limits: CoreLimits;
  readonly quotas: QuotaBook;
  readonly #seats: Seats;
  readonly #book: TaskBook;
  readonly #ends: TaskEnds;
  readonly #terms = new TermsPool();
  readonly #departed: Departed;
  #sequence: number;
  #token: number;
  pause: Pause | null;

  constructor({ order, room, chance, limits, marks, pause, quotas, workers, nowMs }: CoreOptions) {
    this.order = order;
    this.#limits = { ...LIMITS.queue, ...limits };
    this.#sequence = marks.sequence;
    this.#token = marks.token;
    this.pause = pause;
    this.workers = new Workers(room, nowMs);
    for (const spec of workers) this.workers.add(spec, nowMs);
    this.quotas = new QuotaBook(quotas, nowMs);
    this.#departed = new Departed(this.#limits.departedIds);
    this.#seats = new Seats(this.quotas, this.workers, nowMs);
    this.#book = new TaskBook(this.#seats, keysBy(order));
    this.#ends = new TaskEnds(this.#book, this.#limits.interruptions, chance);
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  get counts(): Readonly<Record<TaskState, number>> {
    return this.#seats.counts;
  }

  get seats(): Pick<Seats, "blocked" | "delayed" | "deadLetters" | "queuedByPriority"> {
    return this.#seats;
  }

  get boosts(): number {
    return this.#book.urgencies.boosts;
  }

  get marks(): Marks {
    return { sequence: this.#sequence, token: this.#token };
  }

  /** Tasks that somebody has, `running` or `cancelling`. */
  get busy(): ReadonlySet<Task> {
    return this.#seats.busy;
  }

  has(taskId: string): boolean {
    return this.#book.get(taskId) !== undefined;
  }

  find(taskId: string): Task | undefined {
    return this.#book.get(taskId);
  }

  /** By any of its idempotency keys. */
  ofKey(key: string): Task | undefined {
    return this.#book.ofKey(key);
  }

  /** @throws TASK_NOT_FOUND */
  task(taskId: string): Task {
    const task = this.#book.get(taskId);
    if (!task) throw fault("TASK_NOT_FOUND", { taskId });
    return task;
  }

  /** In submission order; an unknown group is an empty one. */
  group(group: string): ReadonlySet<Task> {
    return this.#book.group(group);
  }

  /** In submission order. Looks at every task: for questions at human rates. */
  *select(filter: TaskFilter): Generator<Task> {
    for (const task of this.#book.all()) if (matches(task, filter)) yield task;
  }

  /** Looks at every queued task: for questions at human rates. */
  oldestQueuedAtMs(): number | null {
    let oldest = Infinity;
    for (const { submittedAtMs } of this.#seats.queued()) oldest = Math.min(oldest, submittedAtMs);
    return oldest === Infinity ? null : oldest;
  }

  /** Also of a task that has not been submitted, and then as if it were. */
  position(task: Task, nowMs: number): QueuePosition {
    const aheadMax = this.#limits.positionTasks;
    const ahead = this.#seats.lanes.countBefore(task, aheadMax);
    const room = this.#roomFor(task, nowMs);
    const waitMs = this.pause === null && room > 0 ? this.pace.waitMs(ahead, this.busy.size, room) : null;
    return {
      ahead,
      exact: ahead < aheadMax,
      estimatedStartMs: waitMs === null ? null : Math.max(nowMs + waitMs, task.life.notBeforeMs ?? 0),
    };
  }

  /** @param spec has passed `checkSpecs`, and has a deadline */
  admission(spec: TaskSpec & { readonly deadlineMs: number }, nowMs: number): Admission {
    const task = Submission.asIf(spec, this.#terms.of(spec), this.#sequence + 1, nowMs);
    task.key = this.#book.urgencies.own(task);
    const refused = (reason: string): Admission => ({ feasible: false, estimatedEndMs: null, reason });
    if (spec.deadlineMs <= nowMs) return refused("its deadline has passed");
    if (this.pause !== null) return refused("the queue is paused");
    if (this.#roomFor(task, nowMs) === 0) return refused("no worker that is there can do it");
    return admissionOf(this.position(task, nowMs), this.pace.runMs(spec.action), spec.deadlineMs);
  }

  /** Tasks like this that all workers together could have at once. */
  #roomFor(task: Task, nowMs: number): number {
    const lane = this.#seats.lanes.of(task.terms);
    let room = 0;
    for (const worker of this.workers.all()) {
      if (!worker.draining && !worker.isOffline(nowMs) && worker.can(lane)) room += worker.roomFor(lane);
    }
    return room;
  }

  explain(task: Task, nowMs: number): Explanation {
    const { pause, order } = this;
    const aheadMax = this.#limits.positionTasks;
    return explainTask(task, {
      pause,
      order,
      workers: this.workers.all(),
      lanes: this.#seats.lanes,
      aheadMax,
      nowMs,
    });
  }

  // --- opening ------------------------------------------------------------------------------------------------------

  /** Takes over everything as it stands on disk. */
  load({ tasks, dependsOn, furtherKeys, departed }: Kept): void {
    for (const taskId of departed) this.#departed.add(taskId);
    const terms = new Set<Terms>();
    let latest: Terms | null = null;
    for (const task of tasks) {
      assert(task.sequence <= this.#sequence, "sequences are below the mark");
      if (task.terms !== latest) terms.add((latest = task.terms));
      const { sequence } = task;
      this.#book.load(task, dependsOn.get(sequence) ?? NONE, furtherKeys.get(sequence) ?? NONE);
    }
    for (const each of terms) this.#terms.adopt(each);
    this.#book.urgencies.settle();
  }

  /** Makes some of the loaded tasks findable by name. False when all are. */
  index(most: number): boolean {
    return this.#book.index(most);
  }

  /**
   * Tasks go where their handlers are: modules may be others than in the last life, or not be known yet. Those that the
   * pool runs were placed when they started. Until this is called there are no handlers.
   */
  place(placeOf: (action: string) => Place): void {
    this.#seats.lanes.place(placeOf);
  }

  /** Do tasks wait for somebody to have their action, or may some come back from whoever has it? */
  get awaitsHandlers(): boolean {
    return this.#seats.waitFor("elsewhere");
  }

  // --- submitting ---------------------------------------------------------------------------------------------------

  /**
   * All tasks or none. One that is there already with the same work is returned as it stands, and is known by the
   * idempotency key from now on.
   *
   * @param specs have passed `checkSpecs`
   * @param isSameWork compares with the fingerprint of a task that is known
   * @throws ALREADY_EXISTS, IDEMPOTENCY_CONFLICT, UNKNOWN_DEPENDENCY, DEPENDENCY_FAILED, QUOTA_EXCEEDED,
   *   INVALID_ARGUMENT (too many wait for one, or one has too many keys); then nothing has changed
   */
  submit(
    specs: readonly TaskSpec[],
    isSameWork: SubmissionView["isSameWork"],
    nowMs: number,
  ): { tasks: { task: Task; replayed: boolean }[]; rows: RowChange[] } {
    const submission = this.#submission(isSameWork, nowMs);
    const tasks = specs.map((spec) => submission.add(spec));
    submission.check();
    const rows = submission.rows.map((row) => this.#accept(row));
    this.#book.urgencies.settle();
    return { tasks, rows };
  }

  /**
   * Tasks with the work of some that have failed or were cancelled, which stay as they are and name them: all or none.
   * They are admitted as by a submit.
   *
   * @throws TASK_NOT_FINISHED, TASK_ENDED when one has completed, INVALID_ARGUMENT when an id would be too long,
   *   QUOTA_EXCEEDED; then nothing has changed
   */
  retry(again: readonly Retry[], nowMs: number): { made: Retried[]; rows: RowChange[] } {
    const submission = this.#submission(() => false, nowMs);
    const made = again.map((each) => submission.again(each));
    submission.check();
    const rows = submission.rows.map((row) => this.#accept(row));
    for (const { origin, task } of made) rows.push(this.#book.change(origin, { successor: task.taskId }));
    return { made, rows };
  }

  #submission(isSameWork: SubmissionView["isSameWork"], nowMs: number): Submission {
    this.#seats.advance(nowMs);
    const { lanes } = this.#seats;
    const [book, departed, terms, limits] = [this.#book, this.#departed, this.#terms, this.#limits];
    return new Submission({
      book,
      departed,
      lanes,
      terms,
      limits,
      isSameWork,
      sequence: this.#sequence,
      nowMs,
    });
  }

  // --- running ------------------------------------------------------------------------------------------------------

  /** Gives the next tasks that the worker may take, each under a token above every earlier one. */
  claim({ worker, max, leaseMs, actions }: ClaimTerms, nowMs: number): RowChange[] {
    this.#seats.advance(nowMs);
    const rows: RowChange[] = [];
    if (this.pause !== null || worker.draining) return rows;
    const { lanes } = this.#seats;
    while (rows.length < max) {
      const next = lanes.next(nowMs, (lane) => takes(worker, lane, actions));
      if (!next) break;
      const { lane, task } = next;
      const { progress } = task;
      this.#token += 1;
      task.progress = null;
      const row = this.#book.change(task, {
        state: advance(taskTable, task.life.state, "start"),
        attempt: task.life.attempt + 1,
        token: this.#token,
        workerId: worker.workerId,
        place: worker === this.workers.local ? lane.place : null,
        leaseUntilMs: leaseMs === null ? null : nowMs + leaseMs,
        startedAtMs: nowMs,
      });
      // Charged when its lane no longer has it: a share without another task has nothing left to do.
      const refund = lanes.charge(lane, nowMs);
      rows.push(refund === null && progress === null ? row : { ...row, start: { refund, progress } });
    }
    return rows;
  }

  /** Would a claim of this worker give it something? */
  couldClaim(worker: Worker, nowMs: number, actions?: ClaimTerms["actions"]): boolean {
    if (this.pause !== null || worker.draining) return false;
    return this.#seats.lanes.next(nowMs, (lane) => takes(worker, lane, actions)) !== undefined;
  }

  /** When something may change by time alone: a delay that ends, a lease that runs out, a rate that allows a start. */
  nextChangeAtMs(nowMs: number): number {
    const { lanes, dueAtMs, expiring } = this.#seats;
    let atMs = Math.min(dueAtMs, expiring?.life.leaseUntilMs ?? Infinity);
    if (this.pause !== null) return atMs;
    for (const lane of lanes.open) {
      const allowedAtMs = lane.allowedAtMs(nowMs);
      if (allowedAtMs > nowMs) atMs = Math.min(atMs, allowedAtMs);
    }
    return atMs;
  }

  /** A task whose lease has run out, the one that did first. */
  expired(nowMs: number): Task | undefined {
    const { expiring } = this.#seats;
    return (expiring?.life.leaseUntilMs ?? Infinity) <= nowMs ? expiring : undefined;
  }

  /** Is it this worker's attempt that runs? */
  holds(workerId: string, taskId: string, token: number): boolean {
    const task = this.#book.get(taskId);
    return (
      task !== undefined &&
      this.busy.has(task) &&
      task.life.token === token &&
      task.life.workerId === workerId
    );
  }

  /** A worker outside is alive and goes on. Not on disk: after a restart the lease ends when it was first to end. */
  renew(task: Task, leaseUntilMs: number): void {
    this.#book.put(task, { ...task.life, leaseUntilMs });
  }

  /** False, and nothing changes, when it is not this attempt that runs. */
  progress(taskId: string, token: number, fraction: number): boolean {
    const task = this.#book.get(taskId);
    if (!task || !this.busy.has(task) || task.life.token !== token) return false;
    task.progress = fraction;
    return true;
  }

  /**
   * Ends an attempt: the task has ended, or it is queued again, at once or after its backoff. The first row is that
   * of the task itself; others are those of tasks that waited for it in vain.
   *
   * @throws LEASE_LOST when the token is not that of the attempt that runs now; then nothing has changed
   */
  settle(
    taskId: string,
    token: number,
    end: AttemptEnd,
    nowMs: number,
    log: readonly TaskLogLine[] = [],
  ): RowChange[] {
    const task = this.#book.get(taskId);
    if (!task || !this.busy.has(task) || task.life.token !== token) throw fault("LEASE_LOST", { taskId });
    this.#seats.advance(nowMs);
    const [row, ...others] = this.#ends.settle(task, end, nowMs);
    assert(row, "an attempt that ends changes its task");
    return [log.length > 0 ? { ...row, log } : row, ...others];
  }

  // --- changing one's mind ------------------------------------------------------------------------------------------

  /**
   * Queued tasks end now; running ones are `cancelling` until their attempt is settled; ended ones stay as they are.
   *
   * @throws TASK_NOT_FOUND when one of them is unknown; then nothing has changed
   */
  cancel(
    taskIds: readonly string[],
    reason: string,
    nowMs: number,
  ): { rows: RowChange[]; cancelling: Task[] } {
    const tasks = new Set(taskIds.map((taskId) => this.task(taskId)));
    const rows: RowChange[] = [];
    const cancelling: Task[] = [];
    for (const task of tasks) {
      if (hasEnded(task)) continue;
      if (task.life.state !== "cancelling") rows.push(...this.#ends.cancel(task, reason, nowMs));
      if (!hasEnded(task)) cancelling.push(task);
    }
    return { rows, cancelling };
  }

  /** What no attempt was made of and nobody waits for is gone; all else stays as it is. Returns what is gone. */
  withdraw(taskIds: readonly string[]): Task[] {
    const isUntouched = (task: Task): boolean =>
      task.life.state === "queued" &&
      task.life.attempt === 0 &&
      (task.ties?.waiters.size ?? 0) === 0 &&
      this.#book.furtherKeysOf(task) === 0;
    const tasks = [...new Set(taskIds)].flatMap((taskId) => this.find(taskId) ?? []).filter(isUntouched);
    for (const task of tasks) this.#book.dismiss(task);
    this.#book.urgencies.settle();
    return tasks;
  }

  /** Takes a withdrawal back. */
  unwithdraw(tasks: readonly Task[]): void {
    this.#book.readmit(tasks);
    this.#book.urgencies.settle();
  }

  /** @throws TASK_ENDED; then nothing has changed */
  reprioritize(task: Task, priority: number): RowChange {
    const { taskId, life } = task;
    if (hasEnded(task))
      throw fault("TASK_ENDED", { taskId, state: life.state, wanted: "given another priority" });
    const row = this.#book.change(task, { priority });
    this.#book.urgencies.settle();
    return row;
  }

  /** For changes at human rates, as the next two. Returns what `restoreQuotas` takes it back with, latest first. */
  setQuota(quota: Quota, nowMs: number): QuotasBefore {
    const { before } = this.quotas;
    this.#changeQuotas(() => this.quotas.set(quota, nowMs));
    return before;
  }

  removeQuota(quota: Pick<Quota, "scope" | "name">): QuotasBefore {
    const { before } = this.quotas;
    this.#changeQuotas(() => this.quotas.remove(quota));
    return before;
  }

  restoreQuotas(before: QuotasBefore): void {
    this.#changeQuotas(() => this.quotas.restore(before));
  }

  /** Everything bounded by quotas is counted anew. */
  #changeQuotas(change: () => void): void {
    const live = [...this.select({ states: ["queued", "running", "cancelling"] })];
    for (const task of live) this.#seats.take(task);
    change();
    this.#seats.lanes.reset();
    for (const task of live) this.#seats.put(task);
  }

  /** The group's tasks may leave with retention once they have ended. Returns those that were held until now. */
  release(group: string): Task[] {
    const released = [...this.group(group)].filter((task) => task.held);
    for (const task of released) this.#book.reseat(task, () => (task.held = false));
    return released;
  }

  /** Takes a release back. */
  unrelease(tasks: readonly Task[]): void {
    for (const task of tasks) this.#book.reseat(task, () => (task.held = true));
  }

  /** The ended tasks beyond what is kept, oldest first, at most `most`. They stay until they are forgotten. */
  leaving(nowMs: number, most: number): Task[] {
    const { keptTasks, keptMs } = this.#limits;
    return this.#seats.oldestEnded(
      most,
      (task, left) => left > keptTasks || nowMs - (task.life.endedAtMs ?? 0) >= keptMs,
    );
  }

  /**
   * Numbers of the terms that tasks have; all others have none from now on, since their rows are to be dropped. Looks at
   * every task.
   */
  usedTerms(): number[] {
    const used = new Set<Terms>();
    for (const { terms } of this.#book.all()) used.add(terms);
    this.#terms.unnumber(used);
    return [...used].flatMap(({ id }) => (id === 0 ? [] : id));
  }

  /** Their rows are gone from the disk; now the ids are free, and remembered only as those of tasks that have left. */
  forget(tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (this.#book.get(task.taskId) !== task) continue;
      this.#book.dismiss(task);
      this.#departed.add(task.taskId);
    }
  }

  /** Takes commands back whose rows did not reach the disk. Tokens and sequences are never given again. */
  undo(rows: readonly RowChange[]): void {
    for (const { task, before, key, start } of rows.toReversed()) {
      if (key !== undefined) this.#book.takeKey(task);
      if (start !== undefined) {
        start.refund?.();
        task.progress = start.progress;
      }
      if (before) this.#book.put(task, withLeaseOf(task.life, before));
      else this.#book.dismiss(task);
    }
    this.#book.urgencies.settle();
  }

  #accept(row: RowChange): RowChange {
    const { task, content, key } = row;
    if (key !== undefined) this.#book.addKey(task, key);
    else {
      this.#sequence = Math.max(this.#sequence, task.sequence);
      this.#book.admit(task, content?.dependsOn ?? []);
    }
    return row;
  }
}

const takes = (worker: Worker, lane: Lane, actions: ClaimTerms["actions"]): boolean =>
  worker.can(lane) && worker.hasRoom(lane) && (actions === undefined || actions.includes(lane.action));

/** A lease that was renewed meanwhile stays renewed: its worker has been told so. */
function withLeaseOf({ token, leaseUntilMs }: TaskLife, before: TaskLife): TaskLife {
  const isSameAttempt = before.token === token && before.leaseUntilMs !== null && leaseUntilMs !== null;
  return isSameAttempt && before.leaseUntilMs !== leaseUntilMs ? { ...before, leaseUntilMs } : before;
}
