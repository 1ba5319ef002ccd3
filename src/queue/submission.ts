import { LIMITS, fault } from "../errors/index.ts";
import { checkName } from "../schema/index.ts";
import { validTraceparent } from "../telemetry/index.ts";
import type { Departed } from "./departed.ts";
import type { Lanes } from "./lanes.ts";
import type { QuotaUse } from "./quota-book.ts";
import type { TaskSpec } from "./queue.protocol.ts";
import type { Content, RowChange } from "./row-change.ts";
import type { TaskBook } from "./task-book.ts";
import { fingerprintOf } from "./task-spec.ts";
import { Task, freshLife, hasEnded, type Terms } from "./task.ts";
import type { TermsPool } from "./terms-pool.ts";

/** What a submission looks up in the queue, which it does not change. */
export interface SubmissionView {
  readonly book: Pick<TaskBook, "get" | "ofKey" | "furtherKeysOf">;
  readonly departed: Pick<Departed, "has">;
  readonly lanes: Pick<Lanes, "of">;
  readonly terms: Pick<TermsPool, "of" | "changed">;
  readonly limits: Pick<typeof LIMITS.queue, "waiters" | "furtherKeys">;
  readonly isSameWork: (task: Task, fingerprint: Uint8Array) => boolean;
  /** The highest that was given until now. */
  readonly sequence: number;
  readonly nowMs: number;
}

/** What is to be done again, and what is different about it. */
export interface Retry {
  readonly task: Task;
  /** That of the task. */
  readonly content: Content;
  readonly change: Partial<Pick<Terms, "attempts" | "timeoutMs">>;
  /** Of whoever wants that; absent: that of the task. */
  readonly traceparent?: string | undefined;
}

export interface Retried {
  readonly origin: Task;
  readonly task: Task;
  /** The number in its id. */
  readonly retries: number;
}

const NONE: readonly string[] = [];

/** Tasks that are to be accepted together or not at all: made and checked here, before the queue knows any of them. */
export class Submission {
  readonly rows: RowChange[] = [];
  readonly #view: SubmissionView;
  /**
   * Of large submits this has so much memory that V8 takes it for old at once, and with it all that it refers to:
   * tasks stay, and nothing else is to.
   */
  readonly #fresh = new Map<string, Task>();
  /** Of the fresh ones, in their order. */
  readonly #inputs: Uint8Array[] = [];
  /** By the keys that they are given here. */
  readonly #keyed = new Map<string, Task>();
  readonly #furtherKeys = new Map<Task, number>();
  readonly #waiting = new Map<QuotaUse, number>();
  readonly #waiters = new Map<Task, number>();

  constructor(view: SubmissionView) {
    this.#view = view;
  }

  /** @throws ALREADY_EXISTS, IDEMPOTENCY_CONFLICT, UNKNOWN_DEPENDENCY, DEPENDENCY_FAILED, INVALID_ARGUMENT */
  add(spec: TaskSpec): { task: Task; replayed: boolean } {
    const known = this.#replayed(spec);
    if (known) return { task: known, replayed: true };
    for (const dependency of spec.dependsOn ?? NONE) this.#checkDependency(spec, dependency);
    const { terms, nowMs } = this.#view;
    const task = Submission.asIf(spec, terms.of(spec), this.#nextSequence, nowMs);
    this.#bring(task, {
      input: spec.input,
      metadata: spec.metadata ?? null,
      dependsOn: spec.dependsOn === undefined ? NONE : [...new Set(spec.dependsOn)],
    });
    if (spec.idempotencyKey !== undefined) this.#keyed.set(spec.idempotencyKey, task);
    return { task, replayed: false };
  }

  /**
   * A task with the work of one that has failed or was cancelled. Nobody waits for it: it belongs to no group.
   *
   * @throws TASK_NOT_FINISHED; TASK_ENDED when it has completed; INVALID_ARGUMENT when the id would be too long
   */
  again({ task: origin, content, change, traceparent }: Retry): Retried {
    const { state, priority } = origin.life;
    if (!hasEnded(origin)) throw fault("TASK_NOT_FINISHED", { taskId: origin.taskId, state });
    if (state === "completed") throw fault("TASK_ENDED", { taskId: origin.taskId, state, wanted: "retried" });
    // Only a task that was made by a retry is numbered on; anyone may have an id that looks like one.
    const root = origin.origin === null ? origin.taskId : origin.taskId.replace(/-retry-\d+$/, "");
    let retries = 1;
    while (this.#taskOf(`${root}-retry-${retries}`)) retries += 1;
    const taskId = `${root}-retry-${retries}`;
    checkName(`the id of a retry of task "${origin.taskId}"`, taskId, LIMITS.queue.nameChars);
    const task = new Task({
      sequence: this.#nextSequence,
      taskId,
      terms: this.#view.terms.changed(origin.terms, change),
      group: null,
      submittedAtMs: this.#view.nowMs,
      deadlineMs: origin.deadlineMs,
      idempotencyKey: null,
      origin: origin.taskId,
      held: false,
      traceparent: validTraceparent(traceparent) ?? origin.traceparent,
      life: freshLife(priority, null),
    });
    // What it depended on has ended, one way or the other.
    this.#bring(task, { ...content, dependsOn: [] });
    return { origin, task, retries };
  }

  /** @throws QUOTA_EXCEEDED */
  check(): void {
    for (const [use, more] of this.#waiting) use.admit(more);
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
    return new Task({
      sequence,
      taskId,
      terms,
      group,
      submittedAtMs: nowMs,
      deadlineMs,
      idempotencyKey,
      origin: null,
      held: group !== null,
      traceparent: validTraceparent(spec.traceparent) ?? null,
      life: freshLife(priority, delayMs > 0 ? nowMs + delayMs : null),
    });
  }

  get #nextSequence(): number {
    return this.#view.sequence + this.#fresh.size + 1;
  }

  #taskOf(taskId: string): Task | undefined {
    return this.#view.book.get(taskId) ?? this.#fresh.get(taskId);
  }

  #bring(task: Task, content: Content): void {
    this.rows.push({ task, before: null, after: task.life, content });
    this.#fresh.set(task.taskId, task);
    this.#inputs.push(content.input);
    for (const use of this.#view.lanes.of(task.terms).quotas) {
      if (use.quota.queued !== undefined) this.#waiting.set(use, (this.#waiting.get(use) ?? 0) + 1);
    }
  }

  /** The task that is there already. A key that was used says which, whatever the id; a new one is that task's too. */
  #replayed(spec: TaskSpec): Task | undefined {
    const { taskId, idempotencyKey: key } = spec;
    const known = this.#taskOf(taskId);
    if (known && !this.#isSame(known, spec))
      throw fault("ALREADY_EXISTS", { kind: "task", name: taskId, differs: "action or input" });
    if (key === undefined) return known;
    const first = this.#view.book.ofKey(key) ?? this.#keyed.get(key);
    if (first && !this.#isSame(first, spec))
      throw fault("IDEMPOTENCY_CONFLICT", { key, taskId: first.taskId });
    if (known && !first) this.#addKey(known, key);
    return first ?? known;
  }

  #addKey(task: Task, key: string): void {
    const { book, limits } = this.#view;
    const count = (this.#furtherKeys.get(task) ?? book.furtherKeysOf(task)) + 1;
    if (count > limits.furtherKeys) {
      throw fault("INVALID_ARGUMENT", {
        argument: `idempotencyKey of task "${task.taskId}"`,
        got: `one more than the ${limits.furtherKeys} that it was given later`,
        allowed: "one of those, or none",
      });
    }
    this.#furtherKeys.set(task, count);
    this.#keyed.set(key, task);
    this.rows.push({ task, before: task.life, after: task.life, key });
  }

  #isSame(task: Task, spec: TaskSpec): boolean {
    const { isSameWork, sequence } = this.#view;
    const fresh = this.#inputs[task.sequence - sequence - 1];
    if (fresh === undefined) return isSameWork(task, fingerprintOf(spec));
    return task.terms.action === spec.action && Buffer.compare(fresh, spec.input) === 0;
  }

  #checkDependency({ taskId, onDependencyFailure }: TaskSpec, dependency: string): void {
    const { departed, limits } = this.#view;
    const blocker = this.#taskOf(dependency);
    if (!blocker && !departed.has(dependency)) throw fault("UNKNOWN_DEPENDENCY", { taskId, dependency });
    if (!blocker || hasEnded(blocker)) {
      // Nobody knows any more how one has ended that has left.
      const state = blocker?.life.state ?? "purged";
      if (state === "completed" || onDependencyFailure === "run") return;
      throw fault("DEPENDENCY_FAILED", { taskId, dependency, state });
    }
    const waiters = (this.#waiters.get(blocker) ?? blocker.ties?.waiters.size ?? 0) + 1;
    this.#waiters.set(blocker, waiters);
    if (waiters <= limits.waiters) return;
    throw fault("INVALID_ARGUMENT", {
      argument: `dependsOn of task "${taskId}"`,
      got: `one more than the ${limits.waiters} tasks that wait for "${dependency}"`,
      allowed: "to wait for a task that fewer wait for",
    });
  }
}
