import { LIMITS, assert, fault, toWireError, type WireError } from "../errors/index.ts";
import { advance, taskTable } from "../lifecycle/index.ts";
import { IndexedHeap, NOWHERE } from "../order/index.ts";
import type { TaskSpec, TaskState } from "./queue.protocol.ts";
import { fingerprintOf } from "./task-spec.ts";
import { endedBefore, hasEnded, runsBefore, type Task, type TaskLife } from "./task.ts";

/** One row to write, and enough to take the change back. */
export interface RowChange {
  readonly task: Task;
  /** Null: the task is new. */
  readonly before: TaskLife | null;
  readonly after: TaskLife;
  /** Present when the task is new. */
  readonly input?: Uint8Array;
  readonly output?: Uint8Array;
  readonly error?: WireError;
}

/** What became of one attempt. */
export type AttemptEnd =
  | { readonly kind: "completed"; readonly output: Uint8Array }
  | { readonly kind: "failed"; readonly error: WireError }
  /** The handler heeded its cancellation, or its thread was terminated for it. */
  | { readonly kind: "cancelled" }
  /** Its thread or process died through no fault of its own. */
  | { readonly kind: "interrupted"; readonly error?: WireError }
  /** The queue stops on purpose, which says nothing about the task: neither charged nor counted. */
  | { readonly kind: "returned" };

/** What the core enforces itself; the rest of the queue's limits is checked at the door. */
export type CoreLimits = Pick<typeof LIMITS.queue, "interruptions" | "keptTasks" | "keptMs">;

/**
 * The queue without its disk and threads: which tasks there are, which runs next, and what may happen to each.
 *
 * Commands change the memory at once and return the rows that must reach the disk; if those do not, `undo` with the
 * same rows, latest first, restores what was. Deterministic: times are arguments, and no two tasks are ever equal in
 * order. Every state is entered through the compiled lifecycle table.
 */
export class QueueCore {
  readonly #limits: CoreLimits;
  readonly #tasks = new Map<string, Task>();
  readonly #groups = new Map<string, Set<Task>>();
  readonly #ready = new IndexedHeap<Task>(runsBefore);
  readonly #busy = new Set<Task>();
  /** Ended tasks that nobody holds, for retention. A task is in at most one of the two heaps. */
  readonly #leaving = new IndexedHeap<Task>(endedBefore);
  readonly #counts: Record<TaskState, number> = {
    queued: 0,
    running: 0,
    cancelling: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  #sequence: number;
  #token: number;

  /** @param marks the highest sequence and token that were ever given: new ones are above them */
  constructor(marks: { sequence: number; token: number }, limits: CoreLimits = LIMITS.queue) {
    this.#sequence = marks.sequence;
    this.#token = marks.token;
    this.#limits = limits;
  }

  get counts(): Readonly<Record<TaskState, number>> {
    return this.#counts;
  }

  get marks(): { sequence: number; token: number } {
    return { sequence: this.#sequence, token: this.#token };
  }

  /** Tasks that a handler has, `running` or `cancelling`. */
  get busy(): ReadonlySet<Task> {
    return this.#busy;
  }

  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** @throws TASK_NOT_FOUND */
  task(taskId: string): Task {
    const task = this.#tasks.get(taskId);
    if (!task) throw fault("TASK_NOT_FOUND", { taskId });
    return task;
  }

  /** In submission order; an unknown group is an empty one. */
  group(group: string): ReadonlySet<Task> {
    return this.#groups.get(group) ?? new Set();
  }

  /** Looks at every queued task: for questions at human rates. */
  oldestQueuedAtMs(): number | null {
    let oldest: number | null = null;
    for (const { submittedAtMs } of this.#ready.values()) {
      if (oldest === null || submittedAtMs < oldest) oldest = submittedAtMs;
    }
    return oldest;
  }

  // --- commands -----------------------------------------------------------------------------------------------------

  /** Takes a task over as it stands on disk. */
  load(task: Task): void {
    assert(!this.#tasks.has(task.taskId), `task ${task.taskId} is loaded once`);
    assert(task.sequence <= this.#sequence, `sequence ${task.sequence} is below the mark`);
    this.#admit(task);
  }

  /**
   * All tasks or none. One that is there already with the same action and input is returned as it stands.
   *
   * @param specs have passed `checkSpecs`
   * @throws ALREADY_EXISTS; then nothing has changed
   */
  submit(specs: readonly TaskSpec[], nowMs: number): { tasks: Task[]; rows: RowChange[] } {
    const fresh = new Map<string, { task: Task; input: Uint8Array }>();
    const tasks = specs.map((spec) => {
      const fingerprint = fingerprintOf(spec);
      const known = this.#tasks.get(spec.taskId) ?? fresh.get(spec.taskId)?.task;
      if (known) {
        if (known.fingerprint === fingerprint) return known;
        throw fault("ALREADY_EXISTS", { kind: "task", name: spec.taskId });
      }
      const task = newTask(spec, this.#sequence + fresh.size + 1, fingerprint, nowMs);
      fresh.set(spec.taskId, { task, input: spec.input });
      return task;
    });
    const rows: RowChange[] = [];
    for (const { task, input } of fresh.values()) {
      this.#admit(task);
      rows.push({ task, before: null, after: task.life, input });
    }
    this.#sequence += fresh.size;
    return { tasks, rows };
  }

  /** Gives the next tasks in order, at most `slots`, each under a token above every earlier one. */
  claim(slots: number, nowMs: number): RowChange[] {
    const rows: RowChange[] = [];
    while (rows.length < slots) {
      const task = this.#ready.pop();
      if (!task) break;
      this.#token += 1;
      task.progress = 0;
      rows.push(
        this.#change(task, {
          state: advance(taskTable, task.life.state, "start"),
          attempt: task.life.attempt + 1,
          token: this.#token,
          startedAtMs: nowMs,
        }),
      );
    }
    return rows;
  }

  /** False, and nothing changes, when no attempt of the task runs. */
  progress(taskId: string, fraction: number): boolean {
    const task = this.#tasks.get(taskId);
    if (!task || !this.#busy.has(task)) return false;
    task.progress = fraction;
    return true;
  }

  /**
   * Ends an attempt: the task has ended, or it is queued again in its old place.
   *
   * @throws LEASE_LOST when the token is not that of the attempt that runs now; then nothing has changed
   */
  settle(taskId: string, token: number, end: AttemptEnd, nowMs: number): RowChange {
    const task = this.#tasks.get(taskId);
    if (!task || !this.#busy.has(task) || task.life.token !== token) throw fault("LEASE_LOST", { taskId });
    const { life } = task;
    if (end.kind === "completed") {
      return this.#end(task, advance(taskTable, life.state, "complete"), nowMs, { output: end.output });
    }
    if (end.kind === "failed") {
      if (life.state === "cancelling") return this.#endCancelled(task, "fail", nowMs);
      return life.attempt < task.attempts
        ? this.#change(task, { state: advance(taskTable, life.state, "retry") })
        : this.#end(task, advance(taskTable, life.state, "fail"), nowMs, { error: end.error });
    }
    if (end.kind === "cancelled" && life.state === "cancelling")
      return this.#endCancelled(task, "stop", nowMs);
    // A cancellation that was not asked for here is an interruption: whoever stopped the handler cut it off.
    const count = end.kind === "returned" ? 0 : 1;
    return this.#interrupt(task, nowMs, count, end.kind === "interrupted" ? end.error : undefined);
  }

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
      const { state } = task.life;
      if (state !== "cancelling") {
        const error = cancellation(task, reason);
        const after = advance(taskTable, state, "cancel");
        if (after === "cancelled") {
          rows.push(this.#end(task, after, nowMs, { error }));
          continue;
        }
        rows.push(this.#change(task, { state: after, cancelReason: reason }, { error }));
      }
      cancelling.push(task);
    }
    return { rows, cancelling };
  }

  /** The group's tasks may leave with retention once they have ended. Returns those that were held until now. */
  release(group: string): Task[] {
    const released = [...this.group(group)].filter((task) => task.held);
    for (const task of released) this.#hold(task, false);
    return released;
  }

  /** Takes a release back. */
  unrelease(tasks: readonly Task[]): void {
    for (const task of tasks) this.#hold(task, true);
  }

  /** The ended tasks beyond what is kept, oldest first, at most `most`. They stay until they are forgotten. */
  expired(nowMs: number, most: number): Task[] {
    const expired: Task[] = [];
    const { keptTasks, keptMs } = this.#limits;
    while (expired.length < most) {
      const oldest = this.#leaving.peek();
      if (!oldest || (this.#leaving.size <= keptTasks && nowMs - (oldest.life.endedAtMs ?? 0) < keptMs))
        break;
      this.#leaving.remove(oldest);
      expired.push(oldest);
    }
    for (const task of expired) this.#leaving.insert(task);
    return expired;
  }

  /** Their rows are gone from the disk; now the ids are free. */
  forget(tasks: readonly Task[]): void {
    for (const task of tasks) this.#dismiss(task);
  }

  /** Takes commands back whose rows did not reach the disk. Tokens and sequences are never given again. */
  undo(rows: readonly RowChange[]): void {
    for (const { task, before } of rows.toReversed()) {
      if (before) this.#put(task, before);
      else this.#dismiss(task);
    }
  }

  // --- changes ------------------------------------------------------------------------------------------------------

  #interrupt(task: Task, nowMs: number, count: 0 | 1, cause?: WireError): RowChange {
    if (task.life.state === "cancelling") return this.#endCancelled(task, "interrupt", nowMs);
    const interruptions = task.life.interruptions + count;
    const limit = this.#limits.interruptions;
    const { state, attempt } = task.life;
    if (count === 0 || interruptions <= limit) {
      return this.#change(task, {
        state: advance(taskTable, state, "interrupt"),
        attempt: attempt - 1,
        interruptions,
      });
    }
    const error = toWireError(fault("TASK_INTERRUPTED", { taskId: task.taskId, interruptions, limit }));
    return this.#end(
      task,
      advance(taskTable, state, "fail"),
      nowMs,
      { error: cause ? { ...error, cause } : error },
      { attempt: attempt - 1, interruptions },
    );
  }

  #endCancelled(task: Task, event: "fail" | "stop" | "interrupt", nowMs: number): RowChange {
    const error = cancellation(task, task.life.cancelReason ?? "");
    return this.#end(task, advance(taskTable, task.life.state, event), nowMs, { error });
  }

  #end(
    task: Task,
    state: TaskState,
    nowMs: number,
    result: { output: Uint8Array } | { error: WireError },
    patch: Partial<TaskLife> = {},
  ): RowChange {
    return this.#change(task, { ...patch, state, endedAtMs: nowMs, cancelReason: null }, result);
  }

  #change(
    task: Task,
    patch: Partial<TaskLife>,
    result: { output?: Uint8Array; error?: WireError } = {},
  ): RowChange {
    const before = task.life;
    this.#put(task, { ...before, ...patch });
    return { task, before, after: task.life, ...result };
  }

  /** The one place where a known task's life changes: every index follows from the state. */
  #put(task: Task, after: TaskLife): void {
    this.#unlist(task);
    task.life = after;
    this.#list(task);
  }

  #admit(task: Task): void {
    this.#tasks.set(task.taskId, task);
    if (task.group !== null) {
      const group = this.#groups.get(task.group);
      if (group) group.add(task);
      else this.#groups.set(task.group, new Set([task]));
    }
    this.#list(task);
  }

  #dismiss(task: Task): void {
    this.#unlist(task);
    this.#tasks.delete(task.taskId);
    if (task.group === null) return;
    const group = this.#groups.get(task.group);
    group?.delete(task);
    if (group?.size === 0) this.#groups.delete(task.group);
  }

  #hold(task: Task, held: boolean): void {
    this.#unlist(task);
    task.held = held;
    this.#list(task);
  }

  #list(task: Task): void {
    const { state } = task.life;
    this.#counts[state] += 1;
    if (state === "queued") this.#ready.insert(task);
    else if (state === "running" || state === "cancelling") this.#busy.add(task);
    else if (!task.held) this.#leaving.insert(task);
  }

  #unlist(task: Task): void {
    this.#counts[task.life.state] -= 1;
    this.#ready.remove(task);
    this.#busy.delete(task);
    this.#leaving.remove(task);
  }
}

function newTask(spec: TaskSpec, sequence: number, fingerprint: string, nowMs: number): Task {
  return {
    slot: NOWHERE,
    sequence,
    taskId: spec.taskId,
    action: spec.action,
    group: spec.group ?? null,
    priority: spec.priority ?? 1,
    timeoutMs: spec.timeoutMs ?? null,
    attempts: spec.attempts ?? 1,
    submittedAtMs: nowMs,
    fingerprint,
    held: spec.group !== undefined,
    progress: 0,
    life: {
      state: taskTable.initial,
      attempt: 0,
      interruptions: 0,
      token: 0,
      startedAtMs: null,
      endedAtMs: null,
      cancelReason: null,
    },
  };
}

function cancellation(task: Task, reason: string): WireError {
  return toWireError(fault("CANCELLED", { what: `task "${task.taskId}"`, reason }));
}
