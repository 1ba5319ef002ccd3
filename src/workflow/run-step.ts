import { advance, compensationTable, stepTable } from "../lifecycle/index.ts";
import { wireFault, type WireError } from "../errors/index.ts";
import { briefError } from "./brief-error.ts";
import type { HeapItem } from "../order/index.ts";
import type { TaskPart } from "./task-id.ts";
import type { CompensationState, StepDefinition, StepState, StepStatus } from "./workflow.protocol.ts";

export type StepEvent = Parameters<typeof stepTable.next>[1];
export type CompensationEvent = Parameters<typeof compensationTable.next>[1];

/** What a run keeps of one of its steps. */
export interface RunStep {
  /** Its place in the definition and in the graph. */
  readonly at: number;
  readonly definition: StepDefinition;
  state: StepState;
  /** Dependencies that have not ended yet. */
  waitingFor: number;
  /** Decides whether it runs at all; null when there is no condition, or it has not been released. */
  condition: RunTask | null;
  /** Does its work; null before, and of a step that fans out. */
  task: RunTask | null;
  /** Of a step that fans out, once they are known. */
  items: StepItems | null;
  /** Undoes it; null unless that has been asked for. */
  undo: RunTask | null;
  /** Where that stands; null: it is not to be undone, as far as is known. */
  compensation: CompensationState | null;
  /** Its condition was false. */
  isRefused: boolean;
  cached: boolean;
  reused: boolean;
  /** 0 to 1. */
  progress: number;
  attempt: number;
  /** Who has, or had, the latest attempt. */
  workerId: string | null;
  startedAtMs: number | null;
  endedAtMs: number | null;
  error: WireError | null;
}

/**
 * Where a task of a run is: nobody has been asked for it; the cache is being asked; it waits in line for room in the
 * queue; it may be in the queue; a handler has it; it has ended.
 */
export type TaskPlace = "new" | "cache" | "line" | "queue" | "running" | "ended";

/** The items that a step fans out to. */
export interface StepItems {
  readonly total: number;
  /** Let go of when the step has ended, as are the next two. */
  values: readonly unknown[];
  /** By place: those that have been asked for. */
  tasks: RunTask[];
  /** By place: packed outputs; null when nobody reads them. */
  outputs: (Uint8Array | null)[] | null;
  /** Asked for, and not ended. */
  open: number;
  running: number;
  completed: number;
  /** Whose output came from the cache. */
  found: number;
  readonly failed: { readonly index: number; readonly error: WireError }[];
  /** Of all items together, each 0 to 1. */
  progress: number;
  /** When the last of those that have completed or failed did so. */
  lastEndMs: number | null;
  /** Items are being asked for: what ends meanwhile is looked at afterwards. */
  isAsking: boolean;
}

/** Higher priority first, then earlier deadline; Infinity = none. */
export interface Urgency {
  readonly priority: number;
  readonly deadlineMs: number;
}

/** One piece of work that a run has, or may have, in the queue. */
export interface RunTask extends HeapItem {
  readonly step: RunStep;
  readonly part: TaskPart;
  /** Of a step that fans out: which item; else 0. */
  readonly index: number;
  place: TaskPlace;
  /** Its name in the queue; empty before it has been asked to take it. */
  taskId: string;
  /** That of the run when the queue was asked. */
  generation: number;
  /** Packed, with every reference resolved; kept until the end, because the queue may have to be asked again. */
  input: Uint8Array | null;
  /** The latest that has started, and how far it is, 0 to 1. */
  attempt: number;
  progress: number;
  /** Where the output is looked up and kept; null for what is not cached. */
  cacheKey: string | null;
  /** Hash of the module of its handler, as `RunHandlers.sha256` told it when the key was made. */
  module: string | null | undefined;
  /** How urgent it is for whoever waits for it; higher is more, and then earlier is. */
  urgency: Urgency;
  /** The priority that the queue knows. */
  askedPriority: number;
  /** Its turn among those in line that are equally urgent. */
  turn: number;
}

export function newStep(definition: StepDefinition, at: number, dependencies: number): RunStep {
  return {
    at,
    definition,
    state: stepTable.initial,
    waitingFor: dependencies,
    condition: null,
    task: null,
    items: null,
    undo: null,
    compensation: null,
    isRefused: false,
    cached: false,
    reused: false,
    progress: 0,
    attempt: 0,
    workerId: null,
    startedAtMs: null,
    endedAtMs: null,
    error: null,
  };
}

export function advanceStep(step: RunStep, event: StepEvent): void {
  step.state = advance(stepTable, step.state, event);
}

/** @param event null: it is to be undone */
export function advanceCompensation(step: RunStep, event: CompensationEvent | null): void {
  const { compensation } = step;
  step.compensation =
    compensation === null || event === null
      ? compensationTable.initial
      : advance(compensationTable, compensation, event);
}

export const hasEnded = (step: RunStep): boolean => stepTable.isTerminal(step.state);

export function stepStatus(step: RunStep): StepStatus {
  const { stepId, action, dependsOn } = step.definition;
  const { state, cached, reused, progress, items, attempt, workerId } = step;
  const { startedAtMs, endedAtMs, compensation, error } = step;
  return {
    stepId,
    action,
    dependsOn,
    state,
    cached,
    reused,
    progress,
    items: items && {
      total: items.total,
      running: items.running,
      completed: items.completed,
      failed: items.failed.length,
    },
    attempt,
    workerId,
    startedAtMs,
    endedAtMs,
    compensation,
    error,
  };
}

/** Has it done something of which its definition says how it is undone? */
export const isToBeUndone = ({ state, cached, reused, definition }: RunStep): boolean =>
  state === "completed" && definition.compensate !== undefined && !cached && !reused;

/** Why a step ended without failing itself. */
export function cancelledStep({ definition }: RunStep, reason: string): WireError {
  return wireFault("CANCELLED", { what: `step "${definition.stepId}"`, reason });
}

/** Why a step cannot run: one that it waits for, directly or not, will never complete. */
export function doomedStep({ definition: { stepId: step } }: RunStep, by: RunStep): WireError {
  const dependency = by.definition.stepId;
  const error = wireFault("DEPENDENCY_FAILED", { step, dependency, state: by.state });
  return by.error === null ? error : { ...error, cause: briefError(by.error) };
}

/** Why a step is skipped that waits, directly or not, for one whose condition was false. */
export function refusedStep({ definition: { stepId: step } }: RunStep, by: RunStep): WireError {
  return wireFault("CONDITION_FALSE", { step, of: by.definition.stepId });
}

/** Of two steps that ended badly: a failure is named rather than a cancellation, and the earlier rather than the later. */
export function isNamedRather(step: RunStep, other: RunStep): boolean {
  if (step.state !== other.state) return step.state === "failed";
  return (step.endedAtMs ?? 0) < (other.endedAtMs ?? 0);
}

/** The error of a run that this step failed. */
export function failureOf({ definition: { stepId }, error }: RunStep, workflowId: string): WireError {
  const text = error?.message ?? "it gave no reason";
  const failure = wireFault("WORKFLOW_FAILED", { workflowId, step: stepId, text });
  return error === null ? failure : { ...failure, cause: error };
}
