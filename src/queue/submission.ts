import { fault } from "../errors/index.ts";
import type { QuotaUse } from "./quota-book.ts";
import type { TaskSpec } from "./queue.protocol.ts";
import type { RowChange } from "./row-change.ts";
import { fingerprintOf } from "./task-spec.ts";
import { freshLife, hasEnded, makeTask, type Task, type Terms } from "./task.ts";

/** What a submission looks up in the queue, which it does not change. */
export interface SubmissionView {
  readonly taskOf: (taskId: string) => Task | undefined;
  readonly taskOfKey: (idempotencyKey: string) => Task | undefined;
  readonly quotasOf: (terms: Terms) => readonly QuotaUse[];
  readonly termsOf: (spec: TaskSpec) => Terms;
  readonly isSameWork: (task: Task, fingerprint: Uint8Array) => boolean;
  /** The highest that was given until now. */
  readonly sequence: number;
  readonly waitersMax: number;
  readonly nowMs: number;
}

/** Tasks that are to be accepted together or not at all: made and checked here, before the queue knows any of them. */
export class Submission {
  readonly rows: RowChange[] = [];
  readonly #view: SubmissionView;
  readonly #fresh = new Map<string, RowChange>();
  readonly #freshByKey = new Map<string, RowChange>();
  readonly #waiting = new Map<QuotaUse, number>();
  readonly #waiters = new Map<Task, number>();

  constructor(view: SubmissionView) {
    this.#view = view;
  }

  /** @throws ALREADY_EXISTS, IDEMPOTENCY_CONFLICT, UNKNOWN_DEPENDENCY, DEPENDENCY_FAILED */
  add(spec: TaskSpec): { task: Task; replayed: boolean } {
    const fingerprint = fingerprintOf(spec);
    const known = this.#replayed(spec, fingerprint);
    if (known) return { task: known, replayed: true };
    for (const dependency of spec.dependsOn ?? []) this.#checkDependency(spec, dependency);
    const { sequence, termsOf, nowMs } = this.#view;
    const task = Submission.asIf(spec, termsOf(spec), sequence + this.rows.length + 1, nowMs);
    const content = {
      input: spec.input,
      fingerprint,
      metadata: spec.metadata ?? null,
      dependsOn: [...new Set(spec.dependsOn)],
    };
    const row: RowChange = { task, before: null, after: task.life, content };
    this.rows.push(row);
    this.#fresh.set(spec.taskId, row);
    if (spec.idempotencyKey !== undefined) this.#freshByKey.set(spec.idempotencyKey, row);
    for (const use of this.#view.quotasOf(task.terms)) {
      if (use.quota.queued !== undefined) this.#waiting.set(use, (this.#waiting.get(use) ?? 0) + 1);
    }
    return { task, replayed: false };
  }

  /** @throws QUOTA_EXCEEDED */
  check(): void {
    for (const [{ quota, waiting }, more] of this.#waiting) {
      const limit = quota.queued ?? Infinity;
      if (waiting + more > limit)
        throw fault("QUOTA_EXCEEDED", { scope: quota.scope, name: quota.name, limit });
    }
  }

  /** The task that a spec makes. */
  static asIf(spec: TaskSpec, terms: Terms, sequence: number, nowMs: number): Task {
    const {
      taskId,
      group = null,
      priority = 1,
      deadlineMs = null,
      delayMs = 0,
      idempotencyKey = null,
    } = spec;
    return makeTask({
      sequence,
      taskId,
      terms,
      group,
      submittedAtMs: nowMs,
      deadlineMs,
      idempotencyKey,
      origin: null,
      held: group !== null,
      life: freshLife(priority, delayMs > 0 ? nowMs + delayMs : null),
    });
  }

  /** The task that a retry makes of one that has ended. Nobody waits for it: it belongs to no group. */
  static again(
    origin: Task,
    made: {
      readonly taskId: string;
      readonly sequence: number;
      readonly terms: Terms;
      readonly nowMs: number;
    },
  ): Task {
    const { taskId, sequence, terms, nowMs } = made;
    return makeTask({
      sequence,
      taskId,
      terms,
      group: null,
      submittedAtMs: nowMs,
      deadlineMs: origin.deadlineMs,
      idempotencyKey: null,
      origin: origin.taskId,
      held: false,
      life: freshLife(origin.life.priority, null),
    });
  }

  #replayed(spec: TaskSpec, fingerprint: Uint8Array): Task | undefined {
    const { taskId, idempotencyKey } = spec;
    const known = this.#view.taskOf(taskId) ?? this.#fresh.get(taskId)?.task;
    if (known) {
      if (this.#isSame(known, fingerprint)) return known;
      throw fault("ALREADY_EXISTS", { kind: "task", name: taskId });
    }
    if (idempotencyKey === undefined) return undefined;
    const first = this.#view.taskOfKey(idempotencyKey) ?? this.#freshByKey.get(idempotencyKey)?.task;
    if (!first || this.#isSame(first, fingerprint)) return first;
    throw fault("IDEMPOTENCY_CONFLICT", { key: idempotencyKey, taskId: first.taskId });
  }

  #isSame(task: Task, fingerprint: Uint8Array): boolean {
    const fresh = this.#fresh.get(task.taskId)?.content?.fingerprint;
    return fresh ? Buffer.compare(fresh, fingerprint) === 0 : this.#view.isSameWork(task, fingerprint);
  }

  #checkDependency({ taskId, onDependencyFailure }: TaskSpec, dependency: string): void {
    const blocker = this.#view.taskOf(dependency) ?? this.#fresh.get(dependency)?.task;
    if (!blocker) throw fault("UNKNOWN_DEPENDENCY", { taskId, dependency });
    const { state } = blocker.life;
    if (hasEnded(blocker)) {
      if (state !== "completed" && onDependencyFailure !== "run") {
        throw fault("DEPENDENCY_FAILED", { taskId, dependency, state });
      }
      return;
    }
    const waiters = (this.#waiters.get(blocker) ?? blocker.ties?.waiters.size ?? 0) + 1;
    this.#waiters.set(blocker, waiters);
    if (waiters <= this.#view.waitersMax) return;
    throw fault("INVALID_ARGUMENT", {
      argument: `dependsOn of task "${taskId}"`,
      got: `one more than the ${this.#view.waitersMax} tasks that wait for "${dependency}"`,
      allowed: "to wait for a task that fewer wait for",
    });
  }
}
