import type { HeapItem } from "../order/index.ts";
import type { TaskState, TaskStatus } from "./queue.protocol.ts";

/** What changes in a task's life. Replaced as a whole at each change, so that a change is undone by putting it back. */
export interface TaskLife {
  readonly state: TaskState;
  /** Attempts started; one that was interrupted is given back. */
  readonly attempt: number;
  readonly interruptions: number;
  /** Fencing token of the latest claim; 0 = never claimed. */
  readonly token: number;
  /** Wall-clock milliseconds at which the latest attempt was claimed. */
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Why a running task is being cancelled; null in every state but `cancelling`. */
  readonly cancelReason: string | null;
}

/**
 * What the queue keeps of a task in memory, whatever its state: neither input nor output, which stay in the store, so
 * that depth and history cost a few hundred bytes per task.
 */
export interface Task extends HeapItem {
  /** The place in submission order; the row's key. */
  readonly sequence: number;
  readonly taskId: string;
  readonly action: string;
  readonly group: string | null;
  readonly priority: number;
  /** Null: the handler's own. */
  readonly timeoutMs: number | null;
  readonly attempts: number;
  readonly submittedAtMs: number;
  /** Hash of action and input: tells a repeated submit from another task under the same id. */
  readonly fingerprint: string;
  /** Its group's owner still needs it, so retention leaves it alone. */
  held: boolean;
  /** 0 to 1; of the latest attempt, and never on disk. */
  progress: number;
  life: TaskLife;
}

/** Higher priority first, then submission order: total, because sequences are unique. */
export function runsBefore(a: Task, b: Task): boolean {
  return a.priority === b.priority ? a.sequence < b.sequence : a.priority > b.priority;
}

/** Earlier end first. Only of tasks that have ended; total for the same reason. */
export function endedBefore(a: Task, b: Task): boolean {
  const [aMs, bMs] = [a.life.endedAtMs ?? 0, b.life.endedAtMs ?? 0];
  return aMs === bMs ? a.sequence < b.sequence : aMs < bMs;
}

/** No handler will ever run it again. */
export function hasEnded({ life }: Task): boolean {
  return life.endedAtMs !== null;
}

export function statusOf(task: Task): TaskStatus {
  const { state, attempt, interruptions, startedAtMs, endedAtMs } = task.life;
  return {
    taskId: task.taskId,
    action: task.action,
    group: task.group,
    state,
    priority: task.priority,
    attempt,
    interruptions,
    progress: state === "completed" ? 1 : task.progress,
    submittedAtMs: task.submittedAtMs,
    startedAtMs,
    endedAtMs,
  };
}
