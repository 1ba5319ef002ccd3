import { wireFault, type WireError } from "../errors/index.ts";
import { advance, taskTable } from "../lifecycle/index.ts";
import { delayAfter } from "./backoff.ts";
import type { AttemptRecord, TaskState } from "./queue.protocol.ts";
import type { RowChange } from "./row-change.ts";
import type { TaskBook } from "./task-book.ts";
import type { Task, TaskLife } from "./task.ts";

/** What became of one attempt. */
export type AttemptEnd =
  | { readonly kind: "completed"; readonly output: Uint8Array }
  | { readonly kind: "failed"; readonly error: WireError }
  /** The handler heeded its cancellation, or its thread was terminated for it. */
  | { readonly kind: "cancelled" }
  /** Its thread or process died through no fault of its own, or its worker fell silent. */
  | { readonly kind: "interrupted"; readonly error?: WireError }
  /** Given back on purpose, which says nothing about the task: neither charged nor counted. */
  | { readonly kind: "returned" };

/** What the end of an attempt, or a cancellation, makes of a task and of those that wait for it. */
export class TaskEnds {
  readonly #book: TaskBook;
  readonly #interruptionsMax: number;
  readonly #chance: () => number;

  constructor(book: TaskBook, interruptionsMax: number, chance: () => number) {
    this.#book = book;
    this.#interruptionsMax = interruptionsMax;
    this.#chance = chance;
  }

  /** Of a task that somebody has. The first row is its own. */
  settle(task: Task, end: AttemptEnd, nowMs: number): RowChange[] {
    const { life } = task;
    if (end.kind === "completed") {
      return this.#end(task, advance(taskTable, life.state, "complete"), nowMs, { output: end.output });
    }
    if (end.kind === "failed") {
      if (life.state === "cancelling") return this.#endCancelled(task, "fail", nowMs);
      const attempt = attemptOf(task, "failed", end.error, nowMs);
      if (life.attempt >= task.terms.attempts) {
        return this.#end(task, advance(taskTable, life.state, "fail"), nowMs, { error: end.error, attempt });
      }
      const delayMs = delayAfter(task.terms.backoff, life.attempt, this.#chance());
      const state = advance(taskTable, life.state, "retry");
      const notBeforeMs = delayMs === 0 ? null : nowMs + delayMs;
      return [{ ...this.#book.change(task, { state, notBeforeMs, leaseUntilMs: null }), attempt }];
    }
    if (end.kind === "cancelled" && life.state === "cancelling")
      return this.#endCancelled(task, "stop", nowMs);
    // A cancellation that was not asked for here is an interruption: whoever stopped the handler cut it off.
    const error = end.kind === "interrupted" ? (end.error ?? null) : null;
    return this.#interrupt(task, nowMs, end.kind === "returned" ? 0 : 1, error);
  }

  /** Of a task that has not ended and is not being cancelled: a queued one ends, a running one is `cancelling`. */
  cancel(task: Task, reason: string, nowMs: number): RowChange[] {
    const error = cancellation(task, reason);
    const state = advance(taskTable, task.life.state, "cancel");
    if (state === "cancelled") return this.#end(task, state, nowMs, { error });
    return [{ ...this.#book.change(task, { state, cancelReason: reason }), error }];
  }

  #interrupt(task: Task, nowMs: number, count: 0 | 1, cause: WireError | null): RowChange[] {
    if (task.life.state === "cancelling") return this.#endCancelled(task, "interrupt", nowMs);
    const interruptions = task.life.interruptions + count;
    const limit = this.#interruptionsMax;
    const { state, attempt } = task.life;
    const record = count === 0 ? {} : { attempt: attemptOf(task, "interrupted", cause, nowMs) };
    const given = { attempt: attempt - 1, interruptions, leaseUntilMs: null };
    if (count === 0 || interruptions <= limit) {
      const change = this.#book.change(task, { ...given, state: advance(taskTable, state, "interrupt") });
      return [{ ...change, ...record }];
    }
    const error = wireFault("TASK_INTERRUPTED", { taskId: task.taskId, interruptions, limit });
    const result = { error: cause ? { ...error, cause } : error, ...record };
    return this.#end(task, advance(taskTable, state, "fail"), nowMs, result, given);
  }

  #endCancelled(task: Task, event: "fail" | "stop" | "interrupt", nowMs: number): RowChange[] {
    const error = cancellation(task, task.life.cancelReason ?? "");
    return this.#end(task, advance(taskTable, task.life.state, event), nowMs, { error });
  }

  /** Ends a task, and those that waited for it to complete and now cannot run, and so on: a list, not a recursion. */
  #end(
    task: Task,
    state: TaskState,
    nowMs: number,
    result: Pick<RowChange, "output" | "error" | "attempt">,
    patch: Partial<TaskLife> = {},
  ): RowChange[] {
    const ended = { state, endedAtMs: nowMs, cancelReason: null, leaseUntilMs: null };
    const rows = [{ ...this.#book.change(task, { ...patch, ...ended }), ...result }];
    for (let index = 0; index < rows.length; index++) {
      const { task: blocker, after } = rows[index] as RowChange;
      if (after.state === "completed" || blocker.ties === null) continue;
      for (const waiter of blocker.ties.waiters) {
        if (waiter.terms.onDependencyFailure === "run" || waiter.life.state !== "queued") continue;
        const { taskId } = waiter;
        const error = wireFault("DEPENDENCY_FAILED", {
          taskId,
          dependency: blocker.taskId,
          state: after.state,
        });
        const change = this.#book.change(waiter, { ...ended, state: advance(taskTable, "queued", "cancel") });
        rows.push({ ...change, error });
      }
    }
    this.#book.urgencies.settle();
    return rows;
  }
}

function attemptOf(
  { life }: Task,
  kind: AttemptRecord["kind"],
  error: WireError | null,
  endedAtMs: number,
): AttemptRecord {
  const { attempt, startedAtMs, workerId } = life;
  return { attempt, kind, startedAtMs: startedAtMs ?? endedAtMs, endedAtMs, workerId: workerId ?? "", error };
}

function cancellation(task: Task, reason: string): WireError {
  return wireFault("CANCELLED", { what: `task "${task.taskId}"`, reason });
}
