import { packValue } from "../codec/index.ts";
import { assert, fault, isFault, toWireError, type WireError } from "../errors/index.ts";
import { advance, runTable } from "../lifecycle/index.ts";
import type { TaskOutcome, TaskSpec } from "../queue/queue.protocol.ts";
import type { Wire } from "../schema/index.ts";
import { contentKey } from "./content-key.ts";
import type { Dag } from "./dag.ts";
import { HeldOutputs } from "./held-outputs.ts";
import { resolveInputs } from "./reference.ts";
import type { CancelRequest, Effect, RunMemory, StepEnd } from "./run-effect.ts";
import { advanceStep, hasEnded, isOutstanding, newStep, stepStatus, type RunStep } from "./run-step.ts";
import { formatTaskId } from "./task-id.ts";
import type { RunState, RunStatus, WorkflowDefinition } from "./workflow.protocol.ts";

/**
 * One run of a workflow: what has happened goes in, what is to be done comes out. It knows no clock, no chance and
 * no neighbour; the same commands always give the same effects.
 *
 * - A step is released when its own dependencies have ended, never later.
 * - News about a step that has ended already is ignored: the queue's events of different kinds have no common order,
 *   and whoever looks twice at the queue sees things twice.
 * - A run ends when its last step has ended, and not before a task that may be in the queue has.
 */
export class RunCore {
  readonly definition: WorkflowDefinition;
  readonly #dag: Dag;
  readonly #steps: readonly RunStep[];
  readonly #outputs: HeldOutputs;
  readonly #submittedAtMs: number;
  #state: RunState = runTable.initial;
  #startedAtMs: number | null = null;
  #endedAtMs: number | null = null;
  #error: WireError | null = null;
  /** Steps that have not ended. */
  #open: number;
  #completed = 0;
  readonly #running = new Set<RunStep>();
  /** The step that the run's error names. */
  #blamed: RunStep | null = null;
  /** Set once no further step may start. */
  #stop: CancelRequest | null = null;
  #recovering = false;
  #sequence = 0;
  #nowMs = 0;
  #effects: Effect[] = [];
  /** Steps whose end has not been passed on to their dependents; a list, because a chain may be as long as the graph. */
  #ended: RunStep[] = [];

  constructor(definition: WorkflowDefinition, dag: Dag, submittedAtMs: number) {
    assert(dag.size === definition.steps.length, "the graph is that of the definition");
    this.definition = definition;
    this.#dag = dag;
    this.#submittedAtMs = submittedAtMs;
    this.#steps = definition.steps.map((step, at) => newStep(step, at, dag.dependencies(at).length));
    this.#outputs = new HeldOutputs(definition.steps, dag);
    this.#open = this.#steps.length;
  }

  get state(): RunState {
    return this.#state;
  }

  get hasEnded(): boolean {
    return runTable.isTerminal(this.#state);
  }

  get startedAtMs(): number | null {
    return this.#startedAtMs;
  }

  /** 0 to 1: the share of the work that is done. A run that failed or was cancelled keeps what it had reached. */
  get progress(): number {
    if (this.#state === "completed") return 1;
    let done = this.#completed;
    for (const step of this.#running) done += step.progress;
    return done / this.#steps.length;
  }

  status(): RunStatus {
    return {
      workflowId: this.definition.workflowId,
      name: this.definition.name,
      state: this.#state,
      progress: this.progress,
      stepsTotal: this.#steps.length,
      stepsEnded: this.#steps.length - this.#open,
      tags: this.definition.tags,
      submittedAtMs: this.#submittedAtMs,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#endedAtMs,
      error: this.#error,
      steps: this.#steps.map(stepStatus),
    };
  }

  /** Steps whose tasks may be in the queue, and must be there unless the run is being stopped. */
  outstanding(): { stepId: string; taskId: string; running: boolean; withdrawn: boolean }[] {
    return this.#steps.filter(isOutstanding).map((step) => ({
      stepId: step.definition.stepId,
      taskId: this.#taskId(step),
      running: step.state === "running",
      withdrawn: this.#stop !== null,
    }));
  }

  /** The task of an outstanding step: the same each time it is asked for. */
  taskOf(stepId: string): TaskSpec {
    const step = this.#step(stepId);
    assert(step && isOutstanding(step), `step ${stepId} has been submitted`);
    const { action, priority = this.definition.priority, timeoutMs, attempts } = step.definition;
    return {
      taskId: this.#taskId(step),
      action,
      input: packValue(step.inputs),
      priority,
      group: this.definition.workflowId,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(attempts === undefined ? {} : { attempts }),
    };
  }

  // --- commands ---------------------------------------------------------------------------------------------------

  start(atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    this.#begin(atMs);
    return this.#flush();
  }

  /**
   * Takes the place of `start` after a restart. What the queue and the run's row remember is taken in first, and only
   * then is anything decided: whatever the order in which things had happened, the run goes on as if it had seen it.
   */
  recover(memory: RunMemory, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    this.#recovering = true;
    this.#begin(memory.startedAtMs ?? atMs);
    for (const at of this.#dag.order) {
      const step = this.#stepAt(at);
      if (step.state === "ready") this.#remember(step, memory);
      this.#passOn(memory.cancel !== null);
    }
    this.#recovering = false;
    if (memory.cancel) this.#cancel(memory.cancel);
    else if (this.#blamed && this.definition.onFailure === "fail_fast") this.#failFast(this.#blamed);
    for (const step of this.#steps) if (step.state === "ready" && step.asked === "nobody") this.#dispatch(step);
    this.#changed(null, `resumed after a restart: ${this.#steps.length - this.#open} of ${this.#steps.length} steps had ended`);
    return this.#flush();
  }

  /** @param output null for a miss */
  cacheAnswered(stepId: string, output: Uint8Array | null, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (step?.state !== "ready" || step.asked !== "cache") return [];
    if (output === null) this.#submit(step);
    else this.#completeFromCache(step, output, atMs);
    return this.#flush();
  }

  stepStarted(stepId: string, start: { attempt: number; startedAtMs: number | null }, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (!step || !isOutstanding(step)) return [];
    if (step.state === "running" && start.attempt <= step.attempt) return [];
    this.#startStep(step, start);
    return this.#flush();
  }

  /** @param progress 0 to 1 */
  stepProgressed(stepId: string, progress: number, message: string | null, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (step?.state !== "running") return [];
    step.progress = Math.min(1, Math.max(0, progress));
    this.#changed(step, message);
    return this.#flush();
  }

  /** The queue has the task back in line: what ran it died. */
  stepInterrupted(stepId: string, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (step?.state !== "running") return [];
    advanceStep(step, "interrupt");
    step.progress = 0;
    this.#running.delete(step);
    this.#changed(step);
    return this.#flush();
  }

  stepSettled(stepId: string, end: StepEnd, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (!step || !isOutstanding(step)) return [];
    this.#settle(step, end);
    return this.#flush();
  }

  /** Asking again changes nothing, but for `force`, which hurries what still runs. */
  cancel(request: CancelRequest, atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    if (this.hasEnded || (this.#state === "cancelling" && !request.force)) return [];
    this.#cancel(request);
    return this.#flush();
  }

  // --- the life of a step -------------------------------------------------------------------------------------------

  #begin(startedAtMs: number): void {
    this.#state = advance(runTable, this.#state, "start");
    this.#startedAtMs = startedAtMs;
    this.#changed(null);
    for (const step of this.#steps) if (step.waitingFor === 0) this.#release(step);
  }

  #release(step: RunStep): void {
    advanceStep(step, "release");
    this.#changed(step);
    if (!this.#recovering) this.#dispatch(step);
  }

  #dispatch(step: RunStep): void {
    if (!this.#takeInputs(step)) return;
    if (step.cacheKey === null) return this.#submit(step);
    step.asked = "cache";
    this.#effects.push({ type: "lookUpCache", stepId: step.definition.stepId, key: step.cacheKey });
  }

  #submit(step: RunStep): void {
    step.asked = "queue";
    this.#effects.push({ type: "submitTask", stepId: step.definition.stepId });
  }

  /** False when a reference leads nowhere, which fails the step. */
  #takeInputs(step: RunStep): boolean {
    const { stepId, action, inputs, cacheTtlMs = 0 } = step.definition;
    try {
      step.inputs = resolveInputs(stepId, inputs as Wire, (id) => this.#outputs.get(id, (at) => this.#whyMissing(at)));
      step.cacheKey = cacheTtlMs > 0 ? keyOf(action, step.inputs) : null;
      this.#outputs.release(step.at);
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#end(step, "fail", toWireError(error));
      return false;
    }
  }

  #whyMissing(at: number): string {
    const { definition, state } = this.#stepAt(at);
    return `step "${definition.stepId}" is ${state} and has no output`;
  }

  #startStep(step: RunStep, { attempt, startedAtMs }: { attempt: number; startedAtMs: number | null }): void {
    if (step.state !== "running") advanceStep(step, "start");
    step.attempt = attempt;
    step.startedAtMs = startedAtMs ?? this.#nowMs;
    step.progress = 0;
    this.#running.add(step);
    this.#changed(step);
  }

  #settle(step: RunStep, end: StepEnd): void {
    step.attempt = end.attempt;
    step.startedAtMs = end.startedAtMs;
    const endedAtMs = end.endedAtMs ?? this.#nowMs;
    if (end.state === "completed") {
      const { cacheKey, definition } = step;
      const output = end.output ?? packValue(null);
      this.#outputs.put(step.at, output);
      if (cacheKey !== null) {
        this.#effects.push({ type: "storeInCache", key: cacheKey, value: output, ttlMs: definition.cacheTtlMs ?? 0 });
      }
      return this.#end(step, "complete", null, endedAtMs);
    }
    const event = end.state === "failed" ? "fail" : "cancel";
    this.#end(step, event, end.error ?? this.#cancelled(step, this.#stop?.reason ?? "its task was cancelled"), endedAtMs);
  }

  #completeFromCache(step: RunStep, output: Uint8Array, atMs: number): void {
    step.cached = true;
    this.#outputs.put(step.at, output);
    this.#end(step, "complete", null, atMs);
  }

  #remember(step: RunStep, { tasks, cached }: RunMemory): void {
    const { stepId } = step.definition;
    const hit = cached.get(stepId);
    if (hit) {
      this.#outputs.release(step.at);
      return this.#completeFromCache(step, hit.output, hit.atMs);
    }
    const task = tasks.get(stepId);
    if (!task) return;
    step.asked = "queue";
    const end = endOf(task);
    if (end) {
      this.#outputs.release(step.at);
      return this.#settle(step, end);
    }
    if (!this.#takeInputs(step)) return;
    step.attempt = task.attempt;
    if (task.state === "queued") return;
    this.#startStep(step, task);
    step.progress = task.progress;
  }

  #end(step: RunStep, event: "complete" | "fail" | "skip" | "cancel", error: WireError | null, atMs = this.#nowMs): void {
    // Whoever ends before the queue or the cache was asked never takes inputs.
    if (step.asked === "nobody" && !step.cached) this.#outputs.release(step.at);
    advanceStep(step, event);
    step.endedAtMs = atMs;
    step.error = error;
    step.inputs = undefined;
    if (event === "complete") {
      step.progress = 1;
      this.#completed += 1;
    }
    this.#running.delete(step);
    this.#open -= 1;
    this.#ended.push(step);
    this.#changed(step);
  }

  // --- what the end of a step means for others ------------------------------------------------------------------------

  /** @param cancelled the run is known to be cancelled, so a cancelled step is no news */
  #passOn(cancelled = false): void {
    for (const step of this.#ended) {
      if (step.state === "completed") this.#releaseDependents(step);
      else if (step.state !== "skipped" && this.#stop === null && !(cancelled && step.state === "cancelled")) {
        this.#applyPolicy(step);
      }
    }
    this.#ended = [];
  }

  #releaseDependents({ at }: RunStep): void {
    for (const dependent of this.#dag.dependents(at)) {
      const step = this.#stepAt(dependent);
      step.waitingFor -= 1;
      if (step.waitingFor === 0 && step.state === "pending") this.#release(step);
    }
  }

  #applyPolicy(step: RunStep): void {
    if (this.definition.onFailure === "ignore") return this.#releaseDependents(step);
    if (this.#blamed === null || isRather(step, this.#blamed)) this.#blamed = step;
    if (this.definition.onFailure === "skip_dependents") this.#skipDependents(step);
    else if (!this.#recovering) this.#failFast(step);
  }

  #skipDependents(failed: RunStep): void {
    const { stepId } = failed.definition;
    const isPending = (at: number): boolean => this.#stepAt(at).state === "pending";
    for (const at of this.#dag.transitiveDependents(failed.at, isPending)) {
      const step = this.#stepAt(at);
      this.#end(step, "skip", this.#cancelled(step, `it depends on step "${stepId}", which ${verbOf(failed)}`));
    }
  }

  #failFast(failed: RunStep): void {
    this.#stopRest({ reason: `step "${failed.definition.stepId}" ${verbOf(failed)}`, force: false });
  }

  #cancel(request: CancelRequest): void {
    if (this.#state !== "cancelling") this.#state = advance(runTable, this.#state, "cancel");
    if (this.hasEnded) this.#endedAtMs = this.#nowMs;
    this.#error = toWireError(fault("CANCELLED", { what: `workflow "${this.definition.workflowId}"`, reason: request.reason }));
    if (!this.hasEnded) this.#changed(null);
    this.#stopRest(request);
  }

  /** What is not in the queue ends now; what may be there ends when the queue says so. */
  #stopRest(request: CancelRequest): void {
    this.#stop = request;
    const taskIds: string[] = [];
    for (const step of this.#steps) {
      if (isOutstanding(step)) taskIds.push(this.#taskId(step));
      else if (!hasEnded(step)) this.#end(step, "cancel", this.#cancelled(step, request.reason));
    }
    if (taskIds.length > 0) this.#effects.push({ type: "cancelTasks", taskIds, ...request });
  }

  #finish(): void {
    if (this.#state === "cancelling") this.#state = advance(runTable, this.#state, "stop");
    else if (this.#blamed) {
      this.#state = advance(runTable, this.#state, "fail");
      this.#error = this.#failureOf(this.#blamed);
    } else if (!this.hasEnded) this.#state = advance(runTable, this.#state, "complete");
    this.#endedAtMs = this.#nowMs;
    this.#changed(null);
    this.#effects.push({ type: "ended" });
  }

  #failureOf({ definition: { stepId }, error }: RunStep): WireError {
    const { workflowId } = this.definition;
    const cause = error === null ? {} : { cause: error };
    const text = error?.message ?? "it gave no reason";
    return { ...toWireError(fault("WORKFLOW_FAILED", { workflowId, step: stepId, text })), ...cause };
  }

  // --- small parts ----------------------------------------------------------------------------------------------------

  #flush(): readonly Effect[] {
    const wasEnded = this.#endedAtMs !== null && this.hasEnded && this.#open === 0 && this.#ended.length === 0;
    while (this.#ended.length > 0) this.#passOn();
    if (this.#open === 0 && !wasEnded) this.#finish();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #changed(step: RunStep | null, message: string | null = null): void {
    if (this.#recovering) return;
    this.#sequence += 1;
    this.#effects.push({
      type: "changed",
      event: {
        workflowId: this.definition.workflowId,
        sequence: this.#sequence,
        atMs: this.#nowMs,
        state: this.#state,
        progress: this.progress,
        step: step && stepStatus(step),
        message,
      },
    });
  }

  #cancelled({ definition }: RunStep, reason: string): WireError {
    return toWireError(fault("CANCELLED", { what: `step "${definition.stepId}"`, reason }));
  }

  #taskId({ definition }: RunStep): string {
    const { workflowId } = this.definition;
    return formatTaskId({ workflowId, stepId: definition.stepId, index: 0, generation: 0 });
  }

  #step(stepId: string): RunStep | undefined {
    return this.#steps[this.#dag.indexOf(stepId) ?? -1];
  }

  #stepAt(at: number): RunStep {
    const step = this.#steps[at];
    assert(step, `step number ${at} is one of the run's ${this.#steps.length}`);
    return step;
  }
}

/** How a task ended; undefined while it has not. */
export function endOf(task: TaskOutcome): StepEnd | undefined {
  const { state } = task;
  return state === "completed" || state === "failed" || state === "cancelled" ? { ...task, state } : undefined;
}

/** What cannot be hashed is not cached: its step runs each time. */
function keyOf(action: string, inputs: unknown): string | null {
  try {
    return contentKey({ action, inputs });
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** A failure is named rather than a cancellation, and the earlier rather than the later. */
function isRather(step: RunStep, other: RunStep): boolean {
  if (step.state !== other.state) return step.state === "failed";
  return (step.endedAtMs ?? 0) < (other.endedAtMs ?? 0);
}

const verbOf = (step: RunStep): string => (step.state === "failed" ? "failed" : "was cancelled");
