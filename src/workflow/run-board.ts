import { assert, type WireError } from "../errors/index.ts";
import { advance, runTable } from "../lifecycle/index.ts";
import type { Dag } from "./dag.ts";
import { HeldOutputs } from "./held-outputs.ts";
import type { Effect } from "./run-effect.ts";
import type { RunHandlers } from "./run-handlers.ts";
import { RunProgress } from "./run-progress.ts";
import {
  advanceCompensation,
  advanceStep,
  isToBeUndone,
  newStep,
  stepStatus,
  type CompensationEvent,
  type RunStep,
  type StepEvent,
} from "./run-step.ts";
import { RunWorkers } from "./run-workers.ts";
import { SmallOutputs } from "./small-outputs.ts";
import type { TaskStart } from "./task-owner.ts";
import type { RunEvent, RunState, RunStatus, RunSummary, WorkflowDefinition } from "./workflow.protocol.ts";

/** What a run is made of. */
export interface RunParts {
  readonly definition: WorkflowDefinition;
  readonly dag: Dag;
  readonly handlers: RunHandlers;
  readonly submittedAtMs: number;
  /** The run that this one is a rerun of. */
  readonly origin?: string | null;
  /** What its submitter said of the trace that it is part of. */
  readonly traceparent?: string | null;
  /** Who had it in an earlier life of the scheduler, as far as its row tells. */
  readonly workerIds?: readonly string[];
}

/**
 * Where a run and each of its steps stand, and the one place where that changes: what follows from a change for the
 * counts, for progress, and for those who listen, follows here.
 */
export class RunBoard {
  readonly definition: WorkflowDefinition;
  readonly dag: Dag;
  readonly handlers: RunHandlers;
  readonly submittedAtMs: number;
  readonly origin: string | null;
  readonly traceparent: string | null;
  /** When it is stopped if it has not ended; Infinity = never. */
  readonly deadlineMs: number;
  readonly steps: readonly RunStep[];
  readonly outputs: HeldOutputs;
  readonly smallOutputs = new SmallOutputs();
  /** Workflows that must complete before it starts. */
  readonly waitsFor: Set<string>;
  /** The time of what is happening now. */
  nowMs = 0;
  /** Why no further step may start; null = they may. */
  stopReason: string | null = null;
  /** What happened before is being taken in, and nobody is told of it. */
  silent = false;
  /** Steps whose end has not been passed on to others; a list, because a chain may be as long as the graph. */
  readonly ended: RunStep[] = [];
  readonly #progress: RunProgress;
  readonly #workers: RunWorkers;
  #state: RunState = runTable.initial;
  #startedAtMs: number | null = null;
  #endedAtMs: number | null = null;
  #error: WireError | null = null;
  #open: number;
  #sequence = 0;
  #effects: Effect[] = [];

  constructor({ definition, dag, handlers, submittedAtMs, origin, traceparent, workerIds }: RunParts) {
    assert(dag.size === definition.steps.length, "the graph is that of the definition");
    const { steps, deadlineMs = Infinity, timeoutMs = Infinity, dependencies = [] } = definition;
    this.definition = definition;
    this.dag = dag;
    this.handlers = handlers;
    this.submittedAtMs = submittedAtMs;
    this.origin = origin ?? null;
    this.traceparent = traceparent ?? null;
    this.#workers = new RunWorkers(workerIds);
    this.deadlineMs = Math.min(deadlineMs, submittedAtMs + timeoutMs);
    this.steps = steps.map((step, at) => newStep(step, at, dag.dependencies(at).length));
    this.outputs = new HeldOutputs(steps, dag);
    this.waitsFor = new Set(dependencies);
    this.#progress = new RunProgress(Float64Array.from(steps, ({ action }) => handlers.expectedMs(action)));
    this.#open = steps.length;
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  get state(): RunState {
    return this.#state;
  }

  get hasEnded(): boolean {
    return runTable.isTerminal(this.#state);
  }

  get hasStarted(): boolean {
    return this.#startedAtMs !== null;
  }

  get error(): WireError | null {
    return this.#error;
  }

  get endedAtMs(): number | null {
    return this.#endedAtMs;
  }

  /** Steps that have not ended. */
  get open(): number {
    return this.#open;
  }

  get progress(): number {
    return this.#state === "completed" ? 1 : this.#progress.reached;
  }

  get workerIds(): readonly string[] {
    return this.#workers.ids;
  }

  stepAt(at: number): RunStep {
    const step = this.steps[at];
    assert(step, `step number ${at} is one of the run's ${this.steps.length}`);
    return step;
  }

  status(): RunStatus {
    return { ...this.summary(), steps: this.steps.map(stepStatus) };
  }

  summary(): RunSummary {
    const { workflowId, name, tags } = this.definition;
    return {
      workflowId,
      name,
      state: this.#state,
      progress: this.progress,
      stepsTotal: this.steps.length,
      stepsEnded: this.steps.length - this.#open,
      tags,
      origin: this.origin,
      submittedAtMs: this.submittedAtMs,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#endedAtMs,
      deadlineMs: this.deadlineMs === Infinity ? null : this.deadlineMs,
      waitsFor: [...this.waitsFor],
      workerIds: this.workerIds,
      handlersChanged: this.handlers.changed,
      error: this.#error,
    };
  }

  // --- changes of the run -------------------------------------------------------------------------------------------

  start(atMs: number): void {
    this.#startedAtMs = atMs;
    this.advance("start");
    this.changed(null);
  }

  /** To be told by whoever knows why. */
  advance(event: Parameters<typeof runTable.next>[1]): void {
    this.#state = advance(runTable, this.#state, event);
  }

  fail(error: WireError): void {
    this.#error = error;
  }

  /** Its last effect. */
  finish(): void {
    this.#endedAtMs = this.nowMs;
    this.perform({ type: "ended", event: this.#event(null, null) });
  }

  /** Somebody has, or had, an attempt of one of its tasks; what is heard of it again changes nothing. */
  had({ workerId, startedAtMs }: Pick<TaskStart, "workerId" | "startedAtMs">): void {
    if (workerId === null || !this.#workers.note(workerId, startedAtMs ?? this.nowMs)) return;
    // Of one alone, the queue's tasks tell in every case.
    if (this.workerIds.length > 1) this.perform({ type: "keepWorkers" });
  }

  // --- changes of a step --------------------------------------------------------------------------------------------

  release(step: RunStep): void {
    advanceStep(step, "release");
    this.changed(step);
  }

  /** One attempt has begun; `startedAtMs` null = when that was is not known. */
  begin(step: RunStep, { attempt, startedAtMs, workerId }: TaskStart): void {
    if (step.state !== "running") advanceStep(step, "start");
    step.attempt = attempt;
    step.workerId = workerId;
    step.startedAtMs = startedAtMs ?? this.nowMs;
    if (step.items === null) this.#progress.set(step, 0);
    this.changed(step);
  }

  interrupt(step: RunStep): void {
    advanceStep(step, "interrupt");
    this.#progress.set(step, 0);
    this.changed(step);
  }

  /** @param fraction 0 to 1; cut to that */
  report(step: RunStep, fraction: number, message: string | null): void {
    this.#progress.set(step, fraction);
    this.changed(step, message, true);
  }

  /** One of the items of a step has ended. @param fraction 0 to 1, of all items together */
  itemEnded(step: RunStep, fraction: number): void {
    this.#progress.set(step, fraction);
    this.changed(step);
  }

  /** @param output packed */
  complete(step: RunStep, output: Uint8Array, atMs: number): void {
    this.outputs.put(step.at, output);
    this.smallOutputs.put(step.at, output);
    this.end(step, "complete", null, atMs);
  }

  end(
    step: RunStep,
    event: Extract<StepEvent, "complete" | "fail" | "skip" | "cancel">,
    error: WireError | null,
    atMs = this.nowMs,
  ): void {
    // Whoever has not taken its inputs yet never will.
    this.outputs.release(step.at);
    advanceStep(step, event);
    step.endedAtMs = atMs;
    step.error = error;
    if (!isToBeUndone(step)) this.outputs.releaseUndo(step.at);
    if (event === "complete") this.#progress.set(step, 1);
    else if (event === "skip" && error?.code === "CONDITION_FALSE") this.#progress.credit(step);
    else this.#progress.drop(step);
    this.#open -= 1;
    this.ended.push(step);
    this.changed(step);
  }

  /** @param event null: it is to be undone */
  undo(step: RunStep, event: CompensationEvent | null, error: WireError | null = null): void {
    advanceCompensation(step, event);
    const how = error === null ? `: ${step.compensation}` : ` failed: ${error.message}`;
    this.changed(step, `compensation${how}`);
  }

  // --- telling --------------------------------------------------------------------------------------------------------

  readonly perform = (effect: Effect): void => void this.#effects.push(effect);

  takeEffects(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** @param step null: the run itself changed */
  changed(step: RunStep | null, message: string | null = null, isProgress = false): void {
    if (!this.silent) this.perform({ type: "changed", event: this.#event(step, message), isProgress });
  }

  #event(step: RunStep | null, message: string | null): RunEvent {
    this.#sequence += 1;
    return {
      workflowId: this.definition.workflowId,
      sequence: this.#sequence,
      atMs: this.nowMs,
      state: this.#state,
      progress: this.progress,
      step: step && stepStatus(step),
      message,
    };
  }
}
