import type { TaskOutcome } from "../queue/queue.protocol.ts";
import type { RunEvent } from "./workflow.protocol.ts";

/** What a run asks of the world around it. It goes on whether or not, and whenever, the world answers. */
export type Effect =
  /** To be answered by `cacheAnswered`. */
  | { readonly type: "lookUpCache"; readonly stepId: string; readonly key: string }
  /** The task itself is made by `taskOf`, at the last moment. */
  | { readonly type: "submitTask"; readonly stepId: string }
  | {
      readonly type: "cancelTasks";
      readonly taskIds: readonly string[];
      readonly reason: string;
      readonly force: boolean;
    }
  | {
      readonly type: "storeInCache";
      readonly key: string;
      readonly value: Uint8Array;
      readonly ttlMs: number;
    }
  | { readonly type: "changed"; readonly event: RunEvent }
  /** Always the last effect of a run, and once. */
  | { readonly type: "ended"; readonly event: RunEvent };

/** How a step ended, as the queue tells it. */
export type StepEnd = Pick<TaskOutcome, "attempt" | "startedAtMs" | "endedAtMs" | "output" | "error"> & {
  readonly state: "completed" | "failed" | "cancelled";
};

export interface CancelRequest {
  readonly reason: string;
  /** Running handlers get no grace. */
  readonly force: boolean;
}

/** What outlives the scheduler: the queue's tasks of the run, and what its own row holds. */
export interface RunMemory {
  readonly tasks: ReadonlyMap<string, TaskOutcome>;
  readonly cached: ReadonlyMap<string, CachedOutput>;
  readonly cancel: (CancelRequest & { readonly atMs: number }) | null;
}

export interface CachedOutput {
  readonly output: Uint8Array;
  readonly atMs: number;
}

/** How a task ended; undefined while it has not. */
export function endOf(task: TaskOutcome): StepEnd | undefined {
  const { state } = task;
  return state === "completed" || state === "failed" || state === "cancelled"
    ? { ...task, state }
    : undefined;
}

/** Infinity when no task failed. */
export function firstFailureAtMs({ tasks }: RunMemory): number {
  let first = Infinity;
  for (const { state, endedAtMs } of tasks.values()) {
    if (state === "failed") first = Math.min(first, endedAtMs ?? Infinity);
  }
  return first;
}
