import { call, event, init, protocol } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";
import type { Backoff } from "../queue/queue.protocol.ts";
import type { Wire } from "../schema/index.ts";
import type { Collected } from "../store/index.ts";

/** The last three are final. */
export const RUN_STATES = [
  "submitted",
  "running",
  "paused",
  "cancelling",
  "completed",
  "failed",
  "cancelled",
] as const;
export type RunState = (typeof RUN_STATES)[number];
/** The last four are final. `pending` waits for other steps, `ready` for its turn. */
export type StepState = "pending" | "ready" | "running" | "completed" | "failed" | "skipped" | "cancelled";
/** The last three are final. `skipped`: the run was cancelled by force before it had started. */
export type CompensationState = "pending" | "running" | "completed" | "failed" | "skipped";
/**
 * What a failed step means: its dependents are skipped and the rest goes on; all other steps are cancelled; or its
 * dependents run all the same.
 */
export type FailurePolicy = "skip_dependents" | "fail_fast" | "ignore";

export interface StepDefinition {
  readonly stepId: string;
  readonly action: string;
  /** May hold references: `${{ steps.fetch.output.rows }}`. */
  readonly inputs: { readonly [key: string]: Wire };
  readonly dependsOn: readonly string[];
  /** Higher runs sooner; default: the run's. */
  readonly priority?: number;
  /** How long one attempt may run; default: the handler's own. */
  readonly timeoutMs?: number;
  /** Default 1. */
  readonly attempts?: number;
  /** Between attempts; what is left out has the queue's default. */
  readonly backoff?: Partial<Backoff>;
  /** Milliseconds since 1970 by which it should have ended. It orders tasks and is never a reason to stop one. */
  readonly deadlineMs?: number;
  /** Keeps the output under the hash of action and resolved inputs, and reuses it for as long. */
  readonly cacheTtlMs?: number;
  /**
   * A JSONata expression over `{ steps: { <id>: { state, output } }, metadata }` of the steps that it depends on. When it
   * is false (or empty, or nothing), the step is skipped, and so is what depends on it.
   */
  readonly when?: string;
  /** Runs the action once for each item; the step's output is the list of their outputs, in order. */
  readonly forEach?: ForEach;
  /**
   * Undoes the step, when it has completed by its own work and the run ends failed or cancelled, with the step's own
   * attempts, pauses and timeout.
   */
  readonly compensate?: Compensation;
}

export interface Compensation {
  readonly action: string;
  /** May hold references to the outputs of the step itself and of those that it depends on. */
  readonly inputs: { readonly [key: string]: Wire };
}

export interface ForEach {
  /** A list, or a text that is exactly one reference to one. Inputs refer to `${{ item }}` and `${{ index }}`. */
  readonly items: Wire;
  /** Default 1,000; with more the step fails. */
  readonly maxItems?: number;
  /** Items in the queue at a time; default: all that may run. */
  readonly maxConcurrent?: number;
}

export interface WorkflowDefinition {
  readonly workflowId: string;
  readonly name: string;
  readonly steps: readonly StepDefinition[];
  readonly onFailure: FailurePolicy;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly metadata: { readonly [key: string]: Wire };
  /** Tasks of the run that are in the queue at a time; default: all that may run. */
  readonly maxConcurrency?: number;
  /** Milliseconds since 1970 at which the run is stopped if it has not ended. */
  readonly deadlineMs?: number;
  /** Likewise, from its submission. */
  readonly timeoutMs?: number;
  /** Ids of workflows that must complete first. */
  readonly dependencies?: readonly string[];
  /** The same key with the same work is the same run, whatever its id. */
  readonly idempotencyKey?: string;
}

export interface ItemCounts {
  readonly total: number;
  readonly running: number;
  readonly completed: number;
  /** Those included whose task somebody cancelled. */
  readonly failed: number;
}

/** One step of a run. Times are milliseconds since 1970 UTC; null = not yet. */
export interface StepStatus {
  readonly stepId: string;
  readonly action: string;
  readonly dependsOn: readonly string[];
  readonly state: StepState;
  /** True when the output was taken from the result cache and nothing ran. */
  readonly cached: boolean;
  /** True when the output was taken over from the run that this one is a rerun of, and nothing ran. */
  readonly reused: boolean;
  /** 0 to 1. */
  readonly progress: number;
  /** Of a step that fans out, once its items are known. */
  readonly items: ItemCounts | null;
  readonly attempt: number;
  /**
   * Who has its latest attempt, or had it: `local` is this node, `peer:` and an id is another one. Null when none has
   * started, or its output was found. Of a step that fans out: who has the item that started last.
   */
  readonly workerId: string | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** How far undoing it is; null: it is not to be undone, as far as is known. */
  readonly compensation: CompensationState | null;
  /** Why it failed, was skipped or was cancelled. */
  readonly error: WireError | null;
}

/** A run without its steps: what a list shows. Times are milliseconds since 1970 UTC; null = not yet. */
export interface RunSummary {
  readonly workflowId: string;
  readonly name: string;
  readonly state: RunState;
  /** 0 to 1: the share of the work that is done. A run that failed or was cancelled keeps what it had reached. */
  readonly progress: number;
  readonly stepsTotal: number;
  /** Completed, failed, skipped and cancelled ones. */
  readonly stepsEnded: number;
  readonly tags: readonly string[];
  /** The run that this one is a rerun of. */
  readonly origin: string | null;
  readonly submittedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** When it is stopped if it has not ended: by its deadline or its timeout, whichever is first; null = never. */
  readonly deadlineMs: number | null;
  /** Workflows that it still waits for. */
  readonly waitsFor: readonly string[];
  /**
   * The workers that had an attempt of any of its steps, named as in `StepStatus.workerId`, the one that started last at
   * the end; of more than 16 the last 16. Empty before the first has started, and of runs of earlier versions.
   */
  readonly workerIds: readonly string[];
  /** Actions whose handlers come from another version of their module than when the run was submitted. */
  readonly handlersChanged: readonly string[];
  /**
   * `WORKFLOW_FAILED` with the first failed step, `DEADLINE_EXCEEDED`, `DEPENDENCY_FAILED` or `CANCELLED`; or
   * `COMPENSATION_FAILED` with one of these as its cause.
   */
  readonly error: WireError | null;
}

/** A run with its steps. */
export interface RunStatus extends RunSummary {
  /** In the order of the definition. */
  readonly steps: readonly StepStatus[];
}

/** What stands for this node where the id of a peer would stand. */
export const LOCAL_PEER = "local";

/** What a submit answers. */
export interface SubmittedRun extends RunStatus {
  /** It was there already: under its id, or under its idempotency key, and then `workflowId` is that of the first. */
  readonly replayed: boolean;
}

export interface RunResult extends RunStatus {
  /** Output of each completed step, by step id, as `packValue` bytes. Large ones are a `Reference`. */
  readonly outputs: { readonly [stepId: string]: Uint8Array };
}

/** What happened in a run, in order. `sequence` starts at 1 and has no gaps within a run and a scheduler's life. */
export interface RunEvent {
  readonly workflowId: string;
  readonly sequence: number;
  readonly atMs: number;
  readonly state: RunState;
  readonly progress: number;
  /** The step whose state or progress changed; null when the run itself changed. */
  readonly step: StepStatus | null;
  readonly message: string | null;
}

/** The last event of a run, told when its end is on disk. */
export interface RunEnd extends RunEvent {
  readonly step: null;
  /** What came out of it; null when that is too much for an event, and is to be asked for. */
  readonly result: RunResult | null;
}

/** One event of a run as it is kept. */
export interface HistoryEntry {
  /** 0: not heard but read after a restart, of which no more than this is known. */
  readonly sequence: number;
  readonly atMs: number;
  readonly state: RunState;
  /** Null = not known any more. */
  readonly progress: number | null;
  /** The step whose state or progress changed; null when the run itself changed, as are the next two then. */
  readonly stepId: string | null;
  readonly stepState: StepState | null;
  readonly attempt: number | null;
  readonly message: string | null;
  /** Of the step. */
  readonly error: WireError | null;
}

export interface RunHistoryPage {
  /** Oldest first. */
  readonly events: readonly HistoryEntry[];
  readonly total: number;
  /** Entries that had to go. */
  readonly dropped: number;
}

export const Scheduler = protocol("scheduler", {
  init: init<{
    directory: string | null;
    durability: "flushed" | "committed" | "memory";
    /** Steps of ended runs beyond so many, or runs that ended longer ago, leave, run by run. */
    keptTasks: number;
    keptMs: number;
    /**
     * Takes answers and changes, and hands no task to the queue: every run stands where it stands, and goes on in
     * another life. Which actions there are is left to that, too. Default false.
     */
    idle?: boolean;
  }>(),
  /**
   * Validates (all problems at once: `WORKFLOW_INVALID`), stores the definition with the run, and starts it. The same
   * id with the same definition returns the run as it stands; with another one it is `ALREADY_EXISTS`. So does the same
   * idempotency key, whatever the id; with other work it is `IDEMPOTENCY_CONFLICT`. Its tasks are part of the trace of
   * the call (`traceparent`), if it has one.
   */
  submit: call<{ definition: WorkflowDefinition }, SubmittedRun>(),
  status: call<{ workflowId: string }, RunStatus>(),
  /** Rejects with `WORKFLOW_NOT_FINISHED` before the end. */
  result: call<{ workflowId: string }, RunResult>(),
  /**
   * Resolves when no step of the run executes any more, with the run as it ended; one that has ended stays as it is. In an
   * idle life, where nobody undoes what was done, with a run that is `cancelling` until then.
   */
  cancel: call<{ workflowId: string; reason: string; force: boolean }, RunStatus>(),
  /**
   * No further step starts, and tasks that have not started leave the queue; what runs goes on, its retries included.
   * Resolves when that is on disk. Rejects with `WORKFLOW_ENDED` for a run that has ended or is being cancelled.
   */
  pause: call<{ workflowId: string; reason: string }, RunStatus>(),
  resume: call<{ workflowId: string }, RunStatus>(),
  /**
   * A new run of the same definition that names this one as its origin. Steps that completed in it, and that are not
   * downstream of what is to run again, are taken over with their outputs. It is part of the trace of the call, or of
   * that of its origin.
   */
  rerun: call<
    {
      workflowId: string;
      /** Id of the new run; default: the origin's with `~2`, or the next number that is free. */
      as?: string;
      /** Steps to run again; default: all that did not complete. */
      from?: readonly string[];
    },
    SubmittedRun
  >(),
  /** What happened in a run, oldest first; `limit` is 1 to 1,000. */
  history: call<{ workflowId: string; offset: number; limit: number }, RunHistoryPage>(),
  /** In submission order, so that pages do not shift; `total` counts what the filters leave. */
  list: call<
    {
      offset: number;
      limit: number;
      /** Runs in one of these states; absent = all. */
      states?: readonly RunState[];
      /** Runs that carry every one of these tags; absent = all. */
      tags?: readonly string[];
      /** Runs of which this worker had an attempt, as `RunSummary.workerIds` tells; absent = all. */
      worker?: string;
      /** Likewise this peer; `local`: runs of which a worker that is no peer had an attempt, or nobody yet. */
      peer?: string;
    },
    { runs: RunSummary[]; total: number }
  >(),
  /** Removes the large values of the data directory that nobody names any more: see `BlobCollector`. */
  collect: call<void, Collected>(),
  /** Resolves when no large value is being removed, and none will be for so long. */
  hold: call<{ forMs: number }>(),
  /** A consistent copy of the scheduler's file at an absolute path that does not exist yet; runs go on meanwhile. */
  backup: call<{ path: string }, { sizeBytes: number }>(),
  changed: event<RunEvent>(),
  /** The last of the events of each run, for whoever needs none of the others. */
  ended: event<RunEnd>(),
});
