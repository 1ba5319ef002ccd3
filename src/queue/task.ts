import { NOWHERE, type HeapItem } from "../order/index.ts";
import type { Backoff, TaskState } from "./queue.protocol.ts";

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
  /** Where the queue's own pool runs it: on a thread of its own, on one with others; or the pool has no handler for it. */
  readonly place: Place;
}

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
}

/**
 * What the queue keeps of a task in memory, whatever its state: neither input nor output, which stay in the store, so
 * that depth and history cost a few hundred bytes per task.
 */
export interface Task extends HeapItem {
  /** The place in submission order; the row's key. */
  readonly sequence: number;
  readonly taskId: string;
  /** Replaced by equal ones in another place when handlers come or go. */
  terms: Terms;
  readonly group: string | null;
  readonly submittedAtMs: number;
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  /** The task that this one was made of. */
  readonly origin: string | null;
  /** Its group's owner still needs it, so retention leaves it alone. */
  held: boolean;
  /** 0 to 1; of the latest attempt, and never on disk; null = nothing was reported. */
  progress: number | null;
  life: TaskLife;
  ties: Ties | null;
  /** The effective ordering key: its own, or that of the most urgent task that waits for it. */
  first: number;
  second: number;
  /** Whose key that is; null = its own. */
  heir: Task | null;
}

/** What is fixed about a task when it is made; the rest follows from its life. */
export type NewTask = Pick<
  Task,
  | "sequence"
  | "taskId"
  | "terms"
  | "group"
  | "submittedAtMs"
  | "deadlineMs"
  | "idempotencyKey"
  | "origin"
  | "held"
  | "life"
>;

/** The one place where tasks are made, so that all have one shape in memory. Its key is set when it is admitted. */
export function makeTask(task: NewTask): Task {
  return {
    slot: NOWHERE,
    sequence: task.sequence,
    taskId: task.taskId,
    terms: task.terms,
    group: task.group,
    submittedAtMs: task.submittedAtMs,
    deadlineMs: task.deadlineMs,
    idempotencyKey: task.idempotencyKey,
    origin: task.origin,
    held: task.held,
    progress: null,
    life: task.life,
    ties: null,
    // Keys are doubles from the start: V8 would otherwise make each task anew at the first key that is no small integer.
    first: Number.NaN,
    second: Number.NaN,
    heir: null,
  };
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
  if (a.first !== b.first) return a.first < b.first;
  if (a.second !== b.second) return a.second < b.second;
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

/** No handler will ever run it again. */
export function hasEnded({ life }: Task): boolean {
  return life.endedAtMs !== null;
}

/** Failed for good, and nothing was made of it since. */
export function isDeadLetter({ life }: Task): boolean {
  return life.state === "failed" && life.successor === null;
}
