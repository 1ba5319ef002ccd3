import { call, event, init, protocol } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";

/** The last three are final. */
export type RunState =
  "submitted" | "running" | "paused" | "cancelling" | "completed" | "failed" | "cancelled";
/** The last four are final. `pending` waits for other steps, `ready` for its turn. */
export type StepState = "pending" | "ready" | "running" | "completed" | "failed" | "skipped" | "cancelled";
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
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly attempts?: number;
  /** Keeps the output under the hash of action and resolved inputs, and reuses it for as long. */
  readonly cacheTtlMs?: number;
}

export interface WorkflowDefinition {
  readonly workflowId: string;
  readonly name: string;
  readonly steps: readonly StepDefinition[];
  readonly onFailure: FailurePolicy;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly metadata: { readonly [key: string]: Wire };
}

/** One step of a run. Times are milliseconds since 1970 UTC; null = not yet. */
export interface StepStatus {
  readonly stepId: string;
  readonly action: string;
  readonly dependsOn: readonly string[];
  readonly state: StepState;
  /** True when the output was taken from the result cache and nothing ran. */
  readonly cached: boolean;
  /** 0 to 1. */
  readonly progress: number;
  readonly attempt: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
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
  readonly submittedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** `WORKFLOW_FAILED` with the first failed step, or `CANCELLED`. */
  readonly error: WireError | null;
}

/** A run with its steps. */
export interface RunStatus extends RunSummary {
  /** In the order of the definition. */
  readonly steps: readonly StepStatus[];
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

export const Scheduler = protocol("scheduler", {
  init: init<{ directory: string | null; durability: "flushed" | "committed" | "memory" }>(),
  /**
   * Validates (all problems at once: `WORKFLOW_INVALID`), stores the definition with the run, and starts it. The same
   * id with the same definition returns the run as it stands; with another one it is `ALREADY_EXISTS`.
   */
  submit: call<{ definition: WorkflowDefinition }, RunStatus>(),
  status: call<{ workflowId: string }, RunStatus>(),
  /** Rejects with `WORKFLOW_NOT_FINISHED` before the end. */
  result: call<{ workflowId: string }, RunResult>(),
  /** Resolves when no step of the run executes any more, with the run as it ended; one that has ended stays as it is. */
  cancel: call<{ workflowId: string; reason: string; force: boolean }, RunStatus>(),
  /** In submission order, so that pages do not shift; `total` counts what the filters leave. */
  list: call<
    {
      offset: number;
      limit: number;
      /** Runs in one of these states; absent = all. */
      states?: readonly RunState[];
      /** Runs that carry every one of these tags; absent = all. */
      tags?: readonly string[];
    },
    { runs: RunSummary[]; total: number }
  >(),
  /** A consistent copy of the scheduler's file at an absolute path that does not exist yet; runs go on meanwhile. */
  backup: call<{ path: string }, { sizeBytes: number }>(),
  changed: event<RunEvent>(),
});
