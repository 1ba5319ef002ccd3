import { packValue } from "../codec/index.ts";
import { advance, stepTable } from "../lifecycle/index.ts";
import { fault, toWireError, type WireError } from "../errors/index.ts";
import type { TaskSpec } from "../queue/queue.protocol.ts";
import { formatTaskId } from "./task-id.ts";
import type { StepDefinition, StepState, StepStatus, WorkflowDefinition } from "./workflow.protocol.ts";

type StepEvent = Parameters<typeof stepTable.next>[1];

/** What a run keeps of one of its steps. */
export interface RunStep {
  /** Its place in the definition and in the graph. */
  readonly at: number;
  readonly definition: StepDefinition;
  state: StepState;
  /** Dependencies that have not ended yet. */
  waitingFor: number;
  /** Who has been asked for the output, of a step that is `ready` or `running`. */
  asked: "nobody" | "cache" | "queue";
  /** With every reference resolved; kept until the end, because the queue may have to be asked again. */
  inputs: unknown;
  /** Where the output is looked up and kept; null for a step that is not cached. */
  cacheKey: string | null;
  cached: boolean;
  progress: number;
  attempt: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  error: WireError | null;
}

export function newStep(definition: StepDefinition, at: number, dependencies: number): RunStep {
  return {
    at,
    definition,
    state: stepTable.initial,
    waitingFor: dependencies,
    asked: "nobody",
    inputs: undefined,
    cacheKey: null,
    cached: false,
    progress: 0,
    attempt: 0,
    startedAtMs: null,
    endedAtMs: null,
    error: null,
  };
}

export function advanceStep(step: RunStep, event: StepEvent): void {
  step.state = advance(stepTable, step.state, event);
}

export const hasEnded = (step: RunStep): boolean => stepTable.isTerminal(step.state);

/** Its task may be in the queue: it ends only when the queue says so. */
export const isOutstanding = (step: RunStep): boolean => step.asked === "queue" && !hasEnded(step);

export function stepStatus(step: RunStep): StepStatus {
  const { stepId, action, dependsOn } = step.definition;
  const { state, cached, progress, attempt, startedAtMs, endedAtMs, error } = step;
  return { stepId, action, dependsOn, state, cached, progress, attempt, startedAtMs, endedAtMs, error };
}

/** Why a step ended without failing itself. */
export function cancelledStep({ definition }: RunStep, reason: string): WireError {
  return toWireError(fault("CANCELLED", { what: `step "${definition.stepId}"`, reason }));
}

/** Of two steps that ended badly: a failure is named rather than a cancellation, and the earlier rather than the later. */
export function isNamedRather(step: RunStep, other: RunStep): boolean {
  if (step.state !== other.state) return step.state === "failed";
  return (step.endedAtMs ?? 0) < (other.endedAtMs ?? 0);
}

export const verbOf = (step: RunStep): string => (step.state === "failed" ? "failed" : "was cancelled");

/** The error of a run that this step failed. */
export function failureOf({ definition: { stepId }, error }: RunStep, workflowId: string): WireError {
  const text = error?.message ?? "it gave no reason";
  const failure = toWireError(fault("WORKFLOW_FAILED", { workflowId, step: stepId, text }));
  return error === null ? failure : { ...failure, cause: error };
}

/** No step fans out yet, and no run is run again: index and generation are always 0. */
export function taskIdOf({ definition: { stepId } }: RunStep, workflowId: string): string {
  return formatTaskId({ workflowId, stepId, index: 0, generation: 0 });
}

export function taskSpecOf(step: RunStep, run: WorkflowDefinition): TaskSpec {
  const { action, priority = run.priority, timeoutMs, attempts } = step.definition;
  return {
    taskId: taskIdOf(step, run.workflowId),
    action,
    input: packValue(step.inputs),
    priority,
    group: run.workflowId,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(attempts === undefined ? {} : { attempts }),
  };
}
