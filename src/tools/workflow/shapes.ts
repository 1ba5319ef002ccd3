import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import type { RunStatus, StepStatus } from "../../workflow/workflow.protocol.ts";

export const workflowId = z.string().min(1).max(LIMITS.workflow.idChars).describe("Id of the workflow");

/** What every answer has; the others are of a failed one. */
export const answer = {
  success: z.boolean(),
  error: z.string().optional(),
  code: z.string().optional(),
  retryable: z.boolean().optional(),
};

export const isoTime = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

const durationOf = (startMs: number | null, endMs: number | null): number | null =>
  startMs === null || endMs === null ? null : (endMs - startMs) / 1_000;

export const stepShape = z.looseObject({
  step_id: z.string(),
  action: z.string(),
  status: z.string(),
  depends_on: z.array(z.string()),
  cached: z.boolean(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
  execution_time: z.number().nullable(),
  error: z.string().nullable(),
});

export function stepAnswer(step: StepStatus): z.output<typeof stepShape> {
  return {
    step_id: step.stepId,
    action: step.action,
    status: step.state,
    depends_on: [...step.dependsOn],
    cached: step.cached,
    start_time: isoTime(step.startedAtMs),
    end_time: isoTime(step.endedAtMs),
    execution_time: durationOf(step.startedAtMs, step.endedAtMs),
    error: step.error?.message ?? null,
  };
}

/** Why a run did not complete, in one sentence. */
export const failureOf = ({ error }: RunStatus): string | null => error?.message ?? null;

/** Seconds from the start of a run to its end; null before. */
export const runSeconds = (run: RunStatus): number | null => durationOf(run.startedAtMs, run.endedAtMs);
