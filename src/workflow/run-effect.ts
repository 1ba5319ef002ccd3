import type { TaskOutcome } from "../queue/queue.protocol.ts";
import type { Reference } from "../codec/index.ts";
import type { RunStep, RunTask } from "./run-step.ts";
import type { RunEvent } from "./workflow.protocol.ts";

/** What a run asks of the world around it. It goes on whether or not, and whenever, the world answers. */
export type Effect =
  /** To be answered by `cacheAnswered`. */
  | { readonly type: "lookUpCache"; readonly task: RunTask; readonly key: string }
  /** The list of items that a step fans out to is kept as a large value. To be answered by `itemsLoaded`. */
  | { readonly type: "loadItems"; readonly step: RunStep; readonly reference: Reference }
  /** The task itself is made by `specOf`, at the last moment. */
  | { readonly type: "submitTask"; readonly task: RunTask }
  /** Of what is in the queue: see `tasksToCancel`. */
  | { readonly type: "cancelTasks"; readonly request: CancelRequest }
  /** Those that have not started: see `tasksToWithdraw`. To be answered by `withdrawn`. */
  | { readonly type: "withdrawTasks" }
  /** The queue is to know its new priority. */
  | { readonly type: "reprioritize"; readonly task: RunTask }
  /** Another worker has joined those that the run had: see `workerIds`. The queue's tasks may not tell all of them. */
  | { readonly type: "keepWorkers" }
  | {
      readonly type: "storeInCache";
      readonly key: string;
      readonly value: Uint8Array;
      readonly ttlMs: number;
    }
  | {
      readonly type: "changed";
      readonly event: RunEvent;
      /** Nothing has changed but how far it is. */
      readonly isProgress: boolean;
    }
  /** Always the last effect of a run, and once. */
  | { readonly type: "ended"; readonly event: RunEvent };

/** How a task ended, as the queue tells it. */
export type TaskEnd = Pick<
  TaskOutcome,
  "attempt" | "workerId" | "startedAtMs" | "endedAtMs" | "output" | "error"
> & {
  readonly state: "completed" | "failed" | "cancelled";
};

export interface CancelRequest {
  readonly reason: string;
  /** Running handlers get no grace. */
  readonly force: boolean;
}

/** How a task ended; undefined while it has not. */
export function endOf(task: TaskOutcome): TaskEnd | undefined {
  const { state } = task;
  return state === "completed" || state === "failed" || state === "cancelled"
    ? { ...task, state }
    : undefined;
}
