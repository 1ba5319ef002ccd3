import type { WireError } from "../errors/index.ts";
import type { RunOutcome } from "../system/index.ts";
import type { RunStatus } from "../workflow/workflow.protocol.ts";
import { oneLine, type Failure } from "./failure.ts";
import { seconds } from "./run-view.ts";

/** What is left of a run: what `--json` prints, and what the last lines are made of. Durations are in seconds. */
export interface RunSummary {
  /** The run completed, and the page, if one was asked for, was written. */
  readonly success: boolean;
  readonly workflow_id: string;
  readonly status: RunStatus["state"];
  /** From the start of the command. */
  readonly execution_time: number;
  readonly cached_steps: number;
  readonly steps: readonly StepSummary[];
  /** Written into the directory for results. */
  readonly files: readonly string[];
  /** Actors that a drill killed, and that were up again at the end. */
  readonly restarted: readonly string[];
  readonly error?: string;
  readonly code?: string;
}

interface StepSummary {
  readonly step_id: string;
  readonly status: string;
  readonly cached: boolean;
  /** Null when it never ran. */
  readonly execution_time: number | null;
  readonly error?: string;
}

export interface RunEnd {
  readonly status: RunOutcome["status"];
  readonly executionMs: number;
  readonly files: readonly string[];
  readonly restarted: readonly string[];
  /** Why there is no page. */
  readonly pageFailure: Failure | undefined;
}

export function summaryOf({ status, executionMs, files, restarted, pageFailure }: RunEnd): RunSummary {
  const failure = pageFailure ?? failureOfRun(status);
  return {
    success: status.state === "completed" && failure === undefined,
    workflow_id: status.workflowId,
    status: status.state,
    execution_time: executionMs / 1_000,
    cached_steps: status.steps.filter(({ cached }) => cached).length,
    steps: status.steps.map(({ stepId, state, cached, startedAtMs, endedAtMs, error }) => ({
      step_id: stepId,
      status: state,
      cached,
      execution_time: startedAtMs === null || endedAtMs === null ? null : (endedAtMs - startedAtMs) / 1_000,
      ...(error === null ? {} : { error: oneLine(error.message) }),
    })),
    files,
    restarted,
    ...(failure === undefined ? {} : { error: failure.error, code: failure.code }),
  };
}

export function closingLines({
  success,
  status,
  execution_time,
  cached_steps,
  steps,
  files,
}: RunSummary): string[] {
  const reused = cached_steps > 0 ? `, ${cached_steps} of ${steps.length} steps from the cache` : "";
  const head = `${status} in ${seconds(execution_time * 1_000)}${reused}`;
  return success ? [head, ...files.map((file) => `wrote ${file}`)] : [head];
}

function failureOfRun({ error, steps }: RunStatus): Pick<Failure, "error" | "code"> | undefined {
  if (error === null) return undefined;
  const step = steps.find(({ stepId }) => stepId === error.details["step"]);
  return { error: oneLine(sentenceOf(error, step?.error ?? null)), code: error.code };
}

/** A step is mostly called like its action; "step x failed: x failed: …" says it twice. */
function sentenceOf(run: WireError, step: WireError | null): string {
  const text = step?.code === "HANDLER_FAILED" ? step.details["text"] : undefined;
  return typeof text === "string" ? `step "${String(run.details["step"])}" failed: ${text}` : run.message;
}
