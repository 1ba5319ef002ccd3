import { packValue } from "../codec/index.ts";
import { assert, fault, isFault, toWireError, type WireError } from "../errors/index.ts";
import { advance, runTable } from "../lifecycle/index.ts";
import type { TaskSpec } from "../queue/queue.protocol.ts";
import { cacheKey } from "./content-key.ts";
import type { Dag } from "./dag.ts";
import { HeldOutputs } from "./held-outputs.ts";
import { resolveInputs } from "./reference.ts";
import {
  endOf,
  firstFailureAtMs,
  type CancelRequest,
  type Effect,
  type RunMemory,
  type StepEnd,
} from "./run-effect.ts";
import {
  advanceStep,
  cancelledStep,
  failureOf,
  taskIdOf,
  taskSpecOf,
  hasEnded,
  isNamedRather,
  isOutstanding,
  newStep,
  stepStatus,
  verbOf,
  type RunStep,
} from "./run-step.ts";
import type { RunEvent, RunState, RunStatus, RunSummary, WorkflowDefinition } from "./workflow.protocol.ts";

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

  /** 0 to 1: the share of the work that is done. A run that failed or was cancelled keeps what it had reached. */
  get progress(): number {
    if (this.#state === "completed") return 1;
    let done = this.#completed;
    for (const step of this.#running) done += step.progress;
    return done / this.#steps.length;
  }

  status(): RunStatus {
    return { ...this.summary(), steps: this.#steps.map(stepStatus) };
  }

  summary(): RunSummary {
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
    };
  }

  /** Steps whose tasks may be in the queue. */
  outstanding(): { stepId: string; taskId: string; running: boolean }[] {
    return this.#steps.filter(isOutstanding).map((step) => ({
      stepId: step.definition.stepId,
      taskId: taskIdOf(step, this.definition.workflowId),
      running: step.state === "running",
    }));
  }

  /** Set once no further step may start: why, and how hard the rest is to be stopped. */
  get stopping(): CancelRequest | null {
    return this.#stop;
  }

  /** The task of an outstanding step, the same each time it is asked for; undefined when the step has ended. */
  taskOf(stepId: string): TaskSpec | undefined {
    const step = this.#step(stepId);
    return step && isOutstanding(step) ? taskSpecOf(step, this.definition) : undefined;
  }

  // --- commands ---------------------------------------------------------------------------------------------------

  start(atMs: number): readonly Effect[] {
    this.#nowMs = atMs;
    this.#begin(atMs);
    return this.#flush();
  }

  /**
   * Takes the place of `start` after a restart. What the queue and the run's row remember is taken in first, along the
   * edges, and only then is anything decided. That a task exists proves that its step was released, whatever the
   * clocks say; times are asked only where nothing else can tell what came first.
   */
  recover(memory: RunMemory, atMs: number): readonly Effect[] {
    this.#recovering = true;
    this.#begin(this.#submittedAtMs);
    const failedAtMs = this.definition.onFailure === "fail_fast" ? firstFailureAtMs(memory) : Infinity;
    const stoppedAtMs = Math.min(memory.cancel?.atMs ?? Infinity, failedAtMs);
    for (const at of this.#dag.order) {
      const step = this.#stepAt(at);
      if (step.state === "ready") this.#remember(step, memory, stoppedAtMs);
      this.#passOn(memory.cancel?.atMs);
    }
    this.#recovering = false;
    this.#nowMs = atMs;
    if (memory.cancel) this.#cancel(memory.cancel);
    else if (this.#blamed && this.definition.onFailure === "fail_fast") this.#failFast(this.#blamed);
    for (const step of this.#steps)
      if (step.state === "ready" && step.asked === "nobody") this.#dispatch(step);
    const ended = this.#steps.length - this.#open;
    this.#changed(null, `resumed after a restart: ${ended} of ${this.#steps.length} steps had ended`);
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

  stepStarted(
    stepId: string,
    start: { attempt: number; startedAtMs: number | null },
    atMs: number,
  ): readonly Effect[] {
    this.#nowMs = atMs;
    const step = this.#step(stepId);
    if (!step || !isOutstanding(step) || (step.state === "running" && start.attempt <= step.attempt))
      return [];
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
    if (step.inputs === undefined && !this.#takeInputs(step)) return;
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
      step.inputs = resolveInputs(stepId, inputs, (id) =>
        this.#outputs.get(id, (at) => this.#whyMissing(at)),
      );
      step.cacheKey = cacheTtlMs > 0 ? cacheKey(action, step.inputs) : null;
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
        this.#effects.push({
          type: "storeInCache",
          key: cacheKey,
          value: output,
          ttlMs: definition.cacheTtlMs ?? 0,
        });
      }
      return this.#end(step, "complete", null, endedAtMs);
    }
    const event = end.state === "failed" ? "fail" : "cancel";
    this.#end(
      step,
      event,
      end.error ?? cancelledStep(step, this.#stop?.reason ?? "its task was cancelled"),
      endedAtMs,
    );
  }

  #completeFromCache(step: RunStep, output: Uint8Array, atMs: number): void {
    step.cached = true;
    this.#outputs.put(step.at, output);
    this.#end(step, "complete", null, atMs);
  }

  #remember(step: RunStep, { tasks, cached }: RunMemory, stoppedAtMs: number): void {
    const { stepId } = step.definition;
    const hit = cached.get(stepId);
    const task = tasks.get(stepId);
    const end = task && endOf(task);
    this.#nowMs = this.#releasedAtMs(step);
    if (hit) return this.#completeFromCache(step, hit.output, hit.atMs);
    if (end) return this.#settle(step, end);
    // Inputs that lead nowhere had failed the step already, if it was released before the run was stopped.
    if (!task && this.#nowMs >= stoppedAtMs) return;
    if (!this.#takeInputs(step) || !task) return;
    step.asked = "queue";
    step.attempt = task.attempt;
    if (task.state === "queued") return;
    this.#startStep(step, task);
    step.progress = task.progress;
  }

  #releasedAtMs({ at }: RunStep): number {
    let latest = this.#submittedAtMs;
    for (const before of this.#dag.dependencies(at))
      latest = Math.max(latest, this.#stepAt(before).endedAtMs ?? 0);
    return latest;
  }

  #end(
    step: RunStep,
    event: "complete" | "fail" | "skip" | "cancel",
    error: WireError | null,
    atMs = this.#nowMs,
  ): void {
    // Whoever has not taken its inputs yet never will.
    if (step.inputs === undefined) this.#outputs.release(step.at);
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

  /** @param cancelledAtMs when the run was cancelled, as far as that is only about to be taken in */
  #passOn(cancelledAtMs = Infinity): void {
    for (const step of this.#ended) {
      if (step.state === "completed") this.#releaseDependents(step);
      else if (this.#isNews(step, cancelledAtMs)) this.#applyPolicy(step);
    }
    this.#ended = [];
  }

  /** Not for the skipped, whose cause was; nor for whoever was cancelled because the run was being stopped. */
  #isNews({ state, endedAtMs }: RunStep, cancelledAtMs: number): boolean {
    if ((endedAtMs ?? 0) >= cancelledAtMs) return false;
    return state === "failed" || (state === "cancelled" && this.#stop === null);
  }

  #releaseDependents({ at }: RunStep): void {
    for (const dependent of this.#dag.dependents(at)) {
      const step = this.#stepAt(dependent);
      step.waitingFor -= 1;
      if (step.waitingFor === 0 && step.state === "pending") this.#release(step);
    }
  }

  #applyPolicy(step: RunStep): void {
    const { onFailure } = this.definition;
    if (onFailure === "ignore") return this.#releaseDependents(step);
    if (this.#blamed === null || isNamedRather(step, this.#blamed)) this.#blamed = step;
    if (this.#stop !== null) return;
    if (onFailure === "skip_dependents") this.#skipDependents(step);
    else if (!this.#recovering) this.#failFast(step);
  }

  #skipDependents(failed: RunStep): void {
    const { stepId } = failed.definition;
    const isPending = (at: number): boolean => this.#stepAt(at).state === "pending";
    for (const at of this.#dag.transitiveDependents(failed.at, isPending)) {
      const step = this.#stepAt(at);
      this.#end(step, "skip", cancelledStep(step, `it depends on step "${stepId}", which ${verbOf(failed)}`));
    }
  }

  #failFast(failed: RunStep): void {
    this.#stopRest({ reason: `step "${failed.definition.stepId}" ${verbOf(failed)}`, force: false });
  }

  #cancel(request: CancelRequest): void {
    if (this.#state !== "cancelling") {
      this.#state = advance(runTable, this.#state, "cancel");
      const what = `workflow "${this.definition.workflowId}"`;
      this.#error = toWireError(fault("CANCELLED", { what, reason: request.reason }));
      // One that never started has ended with this; its end is told when its steps have ended too.
      if (!this.hasEnded) this.#changed(null);
    }
    this.#stopRest(request);
  }

  /** What is not in the queue ends now; what may be there ends when the queue says so. */
  #stopRest(request: CancelRequest): void {
    this.#stop = request;
    const taskIds: string[] = [];
    for (const step of this.#steps) {
      if (isOutstanding(step)) taskIds.push(taskIdOf(step, this.definition.workflowId));
      else if (!hasEnded(step)) this.#end(step, "cancel", cancelledStep(step, request.reason));
    }
    if (taskIds.length > 0) this.#effects.push({ type: "cancelTasks", taskIds, ...request });
  }

  #finish(): void {
    if (!this.hasEnded) {
      const event = this.#state === "cancelling" ? "stop" : this.#blamed ? "fail" : "complete";
      this.#state = advance(runTable, this.#state, event);
      if (this.#blamed && event === "fail") this.#error = failureOf(this.#blamed, this.definition.workflowId);
    }
    this.#endedAtMs = this.#nowMs;
    this.#effects.push({ type: "ended", event: this.#event(null, null) });
  }

  // --- small parts ----------------------------------------------------------------------------------------------------

  #flush(): readonly Effect[] {
    this.#passOn();
    // Only once: an ended run ignores every command before it gets here.
    if (this.#open === 0) this.#finish();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #changed(step: RunStep | null, message: string | null = null): void {
    if (!this.#recovering) this.#effects.push({ type: "changed", event: this.#event(step, message) });
  }

  #event(step: RunStep | null, message: string | null): RunEvent {
    this.#sequence += 1;
    return {
      workflowId: this.definition.workflowId,
      sequence: this.#sequence,
      atMs: this.#nowMs,
      state: this.#state,
      progress: this.progress,
      step: step && stepStatus(step),
      message,
    };
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
