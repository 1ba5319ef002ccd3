import { LIMITS } from "../../errors/index.ts";
import { peerOfWorker } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import {
  LOCAL_PEER,
  type RunStatus,
  type RunSummary,
  type StepStatus,
} from "../../workflow/workflow.protocol.ts";
import type { ToolMetadata } from "../tool.ts";

// --- arguments --------------------------------------------------------------------------------------------------------

const { idChars, tags, tagChars } = LIMITS.workflow;

export const stepId = z.string().min(1).max(idChars);
export const workflowId = z.string().min(1).max(idChars).describe("Id of the workflow");
export const runTags = z.array(z.string().min(1).max(tagChars)).max(tags);

// --- answers ----------------------------------------------------------------------------------------------------------

/** What every answer has; the others are of a failed one. */
export const answer = {
  success: z.boolean(),
  error: z.string().optional(),
  code: z.string().optional(),
  retryable: z.boolean().optional(),
};

export const isoTime = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

export const percentOf = (fraction: number): number => Math.round(fraction * 10_000) / 100;

const durationOf = (startMs: number | null, endMs: number | null): number | null =>
  startMs === null || endMs === null ? null : (endMs - startMs) / 1_000;

/** Where whatever this worker had was: a peer, or this machine, which workers outside that are no peers are of too. */
export function peerAnswer(workerId: string | null): string | null {
  return workerId === null ? null : (peerOfWorker(workerId) ?? LOCAL_PEER);
}

export const stepShape = z.looseObject({
  step_id: z.string(),
  action: z.string(),
  status: z.string(),
  progress: z.number().min(0).max(100),
  depends_on: z.array(z.string()),
  attempt: z.int(),
  peer_id: z.string().nullable(),
  cached: z.boolean(),
  reused: z.boolean(),
  items: z.looseObject({ total: z.int() }).nullable(),
  compensation: z.string().nullable(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
  execution_time: z.number().nullable(),
  error: z.string().nullable(),
  code: z.string().nullable(),
});

export function stepAnswer(step: StepStatus): z.output<typeof stepShape> {
  return {
    step_id: step.stepId,
    action: step.action,
    status: step.state,
    progress: percentOf(step.progress),
    depends_on: [...step.dependsOn],
    attempt: step.attempt,
    peer_id: peerAnswer(step.workerId),
    cached: step.cached,
    reused: step.reused,
    items: step.items && { ...step.items },
    compensation: step.compensation,
    start_time: isoTime(step.startedAtMs),
    end_time: isoTime(step.endedAtMs),
    execution_time: durationOf(step.startedAtMs, step.endedAtMs),
    error: step.error?.message ?? null,
    code: step.error?.code ?? null,
  };
}

export const runShape = z.looseObject({
  workflow_id: z.string(),
  name: z.string(),
  status: z.string(),
  progress: z.number().min(0).max(100),
  total_steps: z.int(),
  ended_steps: z.int(),
  peer_id: z.string(),
  tags: z.array(z.string()),
  origin: z.string().nullable(),
  waits_for: z.array(z.string()),
  handlers_changed: z.array(z.string()),
  submitted_time: z.string(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
  deadline: z.string().nullable(),
  failure: z.string().nullable(),
  failure_code: z.string().nullable(),
});

/** Where the attempt of a run was that started last; what has not started is here. */
const peerOfRun = ({ workerIds }: RunSummary): string => peerAnswer(workerIds.at(-1) ?? null) ?? LOCAL_PEER;

export function runAnswer(run: RunSummary): z.output<typeof runShape> {
  return {
    workflow_id: run.workflowId,
    name: run.name,
    status: run.state,
    progress: percentOf(run.progress),
    total_steps: run.stepsTotal,
    ended_steps: run.stepsEnded,
    peer_id: peerOfRun(run),
    tags: [...run.tags],
    origin: run.origin,
    waits_for: [...run.waitsFor],
    handlers_changed: [...run.handlersChanged],
    submitted_time: new Date(run.submittedAtMs).toISOString(),
    start_time: isoTime(run.startedAtMs),
    end_time: isoTime(run.endedAtMs),
    deadline: isoTime(run.deadlineMs),
    failure: failureOf(run),
    failure_code: run.error?.code ?? null,
  };
}

/** Why a run did not complete, in one sentence. */
export const failureOf = ({ error }: Pick<RunSummary, "error">): string | null => error?.message ?? null;

/** Seconds from the start of a run to its end; null before. */
export const runSeconds = (run: RunSummary): number | null => durationOf(run.startedAtMs, run.endedAtMs);

export const countOf = ({ steps }: RunStatus, isCounted: (step: StepStatus) => boolean): number =>
  steps.filter(isCounted).length;

/** What submitting a workflow answers, whatever it was made of. */
export const submittedShape = {
  ...answer,
  workflow_id: z.string().optional(),
  status: z.string().optional(),
  peer_assigned: z.string().nullable().optional(),
  estimated_start_time: z.string().nullable().optional(),
  replayed: z.boolean().optional(),
  message: z.string().optional(),
};

export function submittedAnswer(run: RunStatus & { readonly replayed: boolean }) {
  const count = run.steps.length === 1 ? "1 step" : `${run.steps.length} steps`;
  return {
    workflow_id: run.workflowId,
    // The run of an earlier call, which may be anywhere, is told apart from a new one by its state.
    status: run.state,
    peer_assigned: peerOfRun(run),
    estimated_start_time: null,
    replayed: run.replayed,
    message: `${count} on disk; workflow_status tells how far the run is`,
  };
}

// --- metadata ---------------------------------------------------------------------------------------------------------

/** The tools of workflows run where the scheduler is. */
export const ofWorkflow = (
  priority: number,
  seconds: number,
  rest: Partial<ToolMetadata> = {},
): Partial<ToolMetadata> => ({
  category: "p2p_workflow",
  runtime: "p2p",
  priority,
  timeoutMs: seconds * 1_000,
  ...rest,
});
