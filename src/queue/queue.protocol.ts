import { call, event, init, protocol } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";

/** Where a task is in its life. Waiting for others, for a time or for a retry is `queued` too. */
export type TaskState = "queued" | "running" | "cancelling" | "completed" | "failed" | "cancelled";

export interface TaskSpec {
  /** Unique for as long as the task is kept; 1 to 512 characters. */
  readonly taskId: string;
  /** The handler that does it. */
  readonly action: string;
  /** What `packValue` made of the handler's input. */
  readonly input: Uint8Array;
  /** Higher runs sooner; -1,000,000 to 1,000,000, default 1. Ties run in submission order. */
  readonly priority?: number;
  /** How long one attempt may run, in milliseconds; default: the handler's own, else 300,000. */
  readonly timeoutMs?: number;
  /** Attempts before the task is failed; default 1. */
  readonly attempts?: number;
  /** Tasks of one group (a workflow run) are listed and released together. */
  readonly group?: string;
}

export interface TaskStatus {
  readonly taskId: string;
  readonly action: string;
  readonly group: string | null;
  readonly state: TaskState;
  readonly priority: number;
  /** Attempts started so far, those that were interrupted not counted. */
  readonly attempt: number;
  /** Attempts cut off by the death of their thread's neighbour, thread or process; not charged. */
  readonly interruptions: number;
  /** 0 to 1, as the handler reports it. */
  readonly progress: number;
  /** Wall-clock milliseconds since 1970; null = not yet. */
  readonly submittedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** How a task ended. */
export interface TaskOutcome extends TaskStatus {
  /** What `packValue` made of the output, when `completed`. A large one is a `Reference`. */
  readonly output: Uint8Array | null;
  readonly error: WireError | null;
}

export interface ActionInfo {
  readonly name: string;
  readonly description: string;
  /** URL of the module that defines it, or "built-in". */
  readonly module: string;
  /** Its own time-out for one attempt; null = the queue's. */
  readonly timeoutMs: number | null;
  /** Of the module's file, in hex, so that a run can tell that its handlers changed; null for built-in ones. */
  readonly moduleSha256: string | null;
}

export interface QueueStats {
  readonly durability: "flushed" | "committed" | "memory";
  readonly queued: number;
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly commits: number;
  readonly rows: number;
  readonly threads: number;
}

export const Queue = protocol("queue", {
  init: init<{
    /** Absent with durability `memory`. */
    directory: string | null;
    durability: "flushed" | "committed" | "memory";
    /** URLs of the modules that export handlers. */
    modules: string[];
    /** Handlers that run at once. */
    threads: number;
    /** Memory of one handler thread. */
    heapMb: number;
    /** How long a cancelled handler may take to notice before its thread is terminated. */
    graceMs: number;
    /** Absolute directories that `ctx.path` accepts. */
    roots: string[];
  }>(),
  /**
   * Accepted as a whole or not at all. Resolves when all are on disk at the queue's durability level. A task that is
   * there already with the same action and input is returned as it stands, so that a caller may safely ask again.
   */
  submit: call<{ tasks: TaskSpec[] }, { tasks: TaskStatus[] }>(),
  status: call<{ taskId: string }, TaskStatus>(),
  /** Rejects with `TASK_NOT_FINISHED` before the end. */
  outcome: call<{ taskId: string }, TaskOutcome>(),
  /**
   * Tasks of a group in submission order, ended ones with their output; at most 1,000 a page. A page of large outputs
   * ends early, though never empty before the end: go on at `offset + tasks.length` until `total`.
   */
  group: call<{ group: string; offset: number; limit: number }, { tasks: TaskOutcome[]; total: number }>(),
  /** Queued ones end at once; running handlers see their signal, and after the grace their thread is terminated. */
  cancel: call<
    { taskIds: string[]; reason: string; force: boolean },
    { cancelled: number; cancelling: number }
  >(),
  /** The group's owner needs its tasks no longer: they may leave with retention. */
  release: call<{ group: string }, { released: number }>(),
  /** Loads the modules on a handler thread on first use. Rejects with `MODULE_INVALID`. */
  actions: call<void, ActionInfo[]>(),
  stats: call<void, QueueStats>(),
  started: event<{ taskId: string; group: string | null; attempt: number; startedAtMs: number }>(),
  progressed: event<{ taskId: string; group: string | null; progress: number; message: string }>(),
  /** After the end is on disk. */
  settled: event<TaskOutcome>(),
});
