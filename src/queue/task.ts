import { NOWHERE, type HeapItem } from "../order/index.ts";
import type { Backoff, TaskState } from "./queue.protocol.ts";
import type { OrderKey } from "./task-order.ts";

/**
 * What many tasks have in common. Tasks with equal terms share one object (and one row on disk), so that a million
 * waiting tasks of one kind cost their ids and times only.
 */
export interface Terms {
  /** Its row; 0 = not on disk yet. */
  id: number;
  readonly action: string;
  /** Null: the handler's own. */
  readonly timeoutMs: number | null;
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly onDependencyFailure: "cancel" | "run";
  readonly tags: readonly string[];
  readonly requires: readonly string[];
}

/** Where the queue's own pool runs a task: on a thread of its own, on one with others; or it has no handler for it. */
export type Place = "thread" | "shared" | "elsewhere";

/** What changes in a task's life. Replaced as a whole at each change, so that a change is undone by putting it back. */
export interface TaskLife {
  readonly state: TaskState;
  readonly priority: number;
  /** Attempts started; one that was interrupted is given back. */
  readonly attempt: number;
  readonly interruptions: number;
  /** Fencing token of the latest claim; 0 = never claimed. */
  readonly token: number;
  /** Who has it, or had it last. */
  readonly workerId: string | null;
  /** Where the queue's own pool runs it, or ran it last: it stays there when handlers come or go. Never on disk. */
  readonly place: Place | null;
  /** When the lease of a worker outside ends; null for the queue's own pool, and when nobody has it. */
  readonly leaseUntilMs: number | null;
  /** Not to be started before; null when it never had to wait for a time. */
  readonly notBeforeMs: number | null;
  /** Wall-clock milliseconds at which the latest attempt was claimed. */
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Why a running task is being cancelled; null in every state but `cancelling`. */
  readonly cancelReason: string | null;
  /** The latest task that was made of this one. */
  readonly successor: string | null;
}

/** Who waits for a task, and for whom it waits. Most tasks have none of it. */
export interface Ties {
  /** All it was submitted to wait for, ended ones too. */
  readonly dependsOn: readonly string[];
  /** Of those, the ones that have not ended. */
  readonly blockers: Set<Task>;
  /** Tasks that wait for this one and have not ended. */
  readonly waiters: Set<Task>;
  /** Whose key the task has; null = its own. */
  heir: Task | null;
}

/** What is fixed about a task when it is made; the rest follows from its life. */
export interface NewTask {
  /** The place in submission order; the row's key. */
  readonly sequence: number;
  readonly taskId: string;
  readonly terms: Terms;
  readonly group: string | null;
  readonly submittedAtMs: number;
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  /** The task that this one was made of. */
  readonly origin: string | null;
  /** Its group's owner still needs it, so retention leaves it alone. */
  readonly held: boolean;
  /** Of whoever submitted it; null = it is part of no trace. */
  readonly traceparent: string | null;
  readonly life: TaskLife;
}

/** Of a task that is not in the queue yet. */
const NO_KEY: OrderKey = { first: Number.NaN, second: Number.NaN };

/**
 * What the queue keeps of a task in memory, whatever its state: neither input nor output, which stay in the store, so
 * that depth and history cost some two hundred bytes per task.
 *
 * Whatever many tasks have alike stands in objects that they share: terms, birth, life and key. A number that is no
 * small integer costs 24 bytes where it stands, and as a field of a shared object almost nothing.
 */
export class Task implements HeapItem {
  slot = NOWHERE;
  readonly sequence: number;
  readonly taskId: string;
  readonly terms: Terms;
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  held: boolean;
  /** 0 to 1; of the latest attempt, and never on disk; null = nothing was reported. */
  progress: number | null = null;
  life: TaskLife;
  ties: Ties | null = null;
  /** The effective ordering key: its own, or that of the most urgent task that waits for it. Set when it is admitted. */
  key: OrderKey = NO_KEY;
  readonly birth: Birth;

  constructor(task: NewTask) {
    this.sequence = task.sequence;
    this.taskId = task.taskId;
    this.terms = task.terms;
    this.deadlineMs = task.deadlineMs;
    this.idempotencyKey = task.idempotencyKey;
    this.held = task.held;
    this.life = task.life;
    this.birth = birthOf(task);
  }

  get group(): string | null {
    return this.birth.group;
  }

  get submittedAtMs(): number {
    return this.birth.submittedAtMs;
  }

  get origin(): string | null {
    return this.birth.origin;
  }

  get traceparent(): string | null {
    return this.birth.traceparent;
  }

  /** Whose key it has; null = its own. */
  get heir(): Task | null {
    return this.ties === null ? null : this.ties.heir;
  }
}

/** What tasks that were submitted together have alike. */
type Birth = Pick<NewTask, "group" | "submittedAtMs" | "origin" | "traceparent">;

let latestBirth: Birth = { group: null, submittedAtMs: Number.NaN, origin: null, traceparent: null };

/** Neighbours in submission order tend to have the same one. */
function birthOf({ group, submittedAtMs, origin, traceparent }: NewTask): Birth {
  const { group: g, submittedAtMs: s, origin: o, traceparent: t } = latestBirth;
  if (submittedAtMs !== s || group !== g || origin !== o || traceparent !== t)
    latestBirth = { group, submittedAtMs, origin, traceparent };
  return latestBirth;
}

/** Before its first claim. Tasks that wait share these: see `freshLife`. */
export function freshLife(priority: number, notBeforeMs: number | null): TaskLife {
  if (notBeforeMs !== null) return { ...FRESH, priority, notBeforeMs };
  const known = freshLives.get(priority);
  if (known) return known;
  if (freshLives.size >= FRESH_LIVES_MAX) freshLives.clear();
  const life = Object.freeze({ ...FRESH, priority });
  freshLives.set(priority, life);
  return life;
}

/** Priorities whose first life is shared; beyond them sharing begins anew. */
const FRESH_LIVES_MAX = 1_000;

const FRESH: TaskLife = Object.freeze({
  state: "queued",
  priority: 1,
  attempt: 0,
  interruptions: 0,
  token: 0,
  workerId: null,
  place: null,
  leaseUntilMs: null,
  notBeforeMs: null,
  startedAtMs: null,
  endedAtMs: null,
  cancelReason: null,
  successor: null,
});
const freshLives = new Map<number, TaskLife>();

/** Smaller keys first, then submission order: total, because sequences are unique. */
export function runsBefore(a: Task, b: Task): boolean {
  if (a.key !== b.key) {
    if (a.key.first !== b.key.first) return a.key.first < b.key.first;
    if (a.key.second !== b.key.second) return a.key.second < b.key.second;
  }
  return a.sequence < b.sequence;
}

/** Earlier end first. Only of tasks that have ended; total for the same reason. */
export function endedBefore(a: Task, b: Task): boolean {
  const [aMs, bMs] = [a.life.endedAtMs ?? 0, b.life.endedAtMs ?? 0];
  return aMs === bMs ? a.sequence < b.sequence : aMs < bMs;
}

/** Earlier time first: of tasks that wait for one. */
export function dueBefore(a: Task, b: Task): boolean {
  const [aMs, bMs] = [a.life.notBeforeMs ?? 0, b.life.notBeforeMs ?? 0];
  return aMs === bMs ? a.sequence < b.sequence : aMs < bMs;
}

/** Earlier end of lease first: of tasks that workers outside have. */
export function expiresBefore(a: Task, b: Task): boolean {
  const [aMs, bMs] = [a.life.leaseUntilMs ?? Infinity, b.life.leaseUntilMs ?? Infinity];
  return aMs === bMs ? a.sequence < b.sequence : aMs < bMs;
}

/** Somebody has it. */
export function isBusy({ life: { state } }: Task): boolean {
  return state === "running" || state === "cancelling";
}

/** No handler will ever run it again. */
export function hasEnded({ life }: Task): boolean {
  return life.endedAtMs !== null;
}

/** Failed for good, and nothing was made of it since. */
export function isDeadLetter({ life }: Task): boolean {
  return life.state === "failed" && life.successor === null;
}
