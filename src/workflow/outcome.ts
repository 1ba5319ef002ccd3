import { assert, wireFault, type WireError } from "../errors/index.ts";
import { briefError } from "./brief-error.ts";
import type { Compensations } from "./compensations.ts";
import type { RunBoard } from "./run-board.ts";
import type { CancelRequest } from "./run-effect.ts";
import { doomedStep, failureOf, hasEnded, isNamedRather, refusedStep, type RunStep } from "./run-step.ts";
import type { StepLife } from "./step-life.ts";
import type { Urgencies } from "./urgencies.ts";
import type { RunSummary } from "./workflow.protocol.ts";

/** Why no further step may start: a step failed, someone cancelled the run, or its time ran out. */
export interface Stop extends CancelRequest {
  readonly why: "failure" | "cancel" | "deadline";
}

/** A workflow that another waited for, as it ended. */
export type EndedDependency = Pick<RunSummary, "workflowId" | "state" | "error">;

const itemFailed = ({ definition: { stepId } }: RunStep, index: number): Stop => ({
  why: "failure",
  reason: `item ${index} of step "${stepId}" failed`,
  force: false,
});

/** What the end of a step means for the others, and in the end for the run. */
export class Outcome {
  readonly #board: RunBoard;
  readonly #life: StepLife;
  readonly #urgencies: Urgencies;
  readonly #compensations: Compensations;
  /** The step that the run's error names. */
  #blamed: RunStep | null = null;
  #stop: Stop | null = null;
  /** Why it failed before any of its steps could run. */
  #doom: WireError | null = null;
  /** Ends from then on mean nothing for others: the run had been cancelled, or its time had run out. */
  #deafFromMs = Infinity;

  constructor(board: RunBoard, life: StepLife, urgencies: Urgencies, compensations: Compensations) {
    this.#board = board;
    this.#life = life;
    this.#urgencies = urgencies;
    this.#compensations = compensations;
  }

  /** Set once no further step may start. */
  get stopping(): Stop | null {
    return this.#stop;
  }

  // --- from step to step ----------------------------------------------------------------------------------------------

  /** To be called when something may have ended. */
  passOn(): void {
    const { ended, silent } = this.#board;
    for (const step of ended) {
      if (silent) this.#board.nowMs = step.endedAtMs ?? this.#board.nowMs;
      if (step.state === "completed") this.#releaseDependents(step);
      else if (step.isRefused) this.#skipDependents(step);
      else if (this.#isNews(step)) this.#applyPolicy(step);
      this.#urgencies.ended(step);
    }
    ended.length = 0;
    for (const step of this.#urgencies.settle()) this.#life.urgencyChanged(step);
  }

  /** Not for the skipped, whose cause was; nor for whoever was cancelled because the run was being stopped. */
  #isNews({ state, endedAtMs }: RunStep): boolean {
    if ((endedAtMs ?? 0) >= this.#deafFromMs) return false;
    return state === "failed" || (state === "cancelled" && this.#stop === null);
  }

  #releaseDependents({ at }: RunStep): void {
    for (const dependent of this.#board.dag.dependents(at)) {
      const step = this.#board.stepAt(dependent);
      step.waitingFor -= 1;
      if (step.waitingFor === 0 && step.state === "pending") this.#life.release(step);
    }
  }

  #applyPolicy(step: RunStep): void {
    const { onFailure } = this.#board.definition;
    if (onFailure === "ignore") return this.#releaseDependents(step);
    if (this.#blamed === null || isNamedRather(step, this.#blamed)) this.#blamed = step;
    if (this.#stop !== null) return;
    if (onFailure === "skip_dependents") this.#skipDependents(step);
    else if (!this.#board.silent) this.#failFast(step);
  }

  #skipDependents(by: RunStep): void {
    const isPending = (at: number): boolean => this.#board.stepAt(at).state === "pending";
    for (const at of this.#board.dag.transitiveDependents(by.at, isPending)) {
      const step = this.#board.stepAt(at);
      this.#board.end(step, "skip", by.isRefused ? refusedStep(step, by) : doomedStep(step, by));
    }
  }

  // --- stopping -------------------------------------------------------------------------------------------------------

  /** What ended from then on is not to be judged: it is about to be said that the run was stopped then. */
  deafFrom(atMs: number): void {
    this.#deafFromMs = atMs;
  }

  cancel(request: CancelRequest): void {
    const { state, definition } = this.#board;
    if (state !== "cancelling") {
      this.#board.advance("cancel");
      const what = `workflow "${definition.workflowId}"`;
      this.#board.fail(wireFault("CANCELLED", { what, reason: request.reason }));
      // One that never started has ended with this; its end is told when its steps have ended too.
      if (!this.#board.hasEnded) this.#board.changed(null);
    }
    this.#stopWith({ ...request, why: "cancel" });
  }

  expire(): void {
    this.#stopWith({ why: "deadline", reason: "the time of the run is over", force: false });
  }

  /** After a restart: the failure of a step has stopped the run, or is to. */
  failFastAgain(): void {
    if (this.#board.definition.onFailure !== "fail_fast") return;
    const failing = this.#board.steps.find(({ items }) => items !== null && items.failed.length > 0);
    const [item] = failing?.items?.failed ?? [];
    if (this.#blamed !== null) this.#failFast(this.#blamed);
    else if (failing && item) this.#stopWith(itemFailed(failing, item.index));
  }

  /** An item of a step that goes on has failed for good. */
  itemFailed(step: RunStep, index: number): void {
    const { definition, silent } = this.#board;
    if (definition.onFailure === "fail_fast" && this.#stop === null && !silent)
      this.#stopWith(itemFailed(step, index));
  }

  /** A workflow that must complete first will never do so: none of the steps will run. */
  abandon({ workflowId: dependency, state, error }: EndedDependency): void {
    const because = (about: { workflowId: string } | { step: string }): WireError => {
      const wire = wireFault("DEPENDENCY_FAILED", { ...about, dependency, state });
      return error === null ? wire : { ...wire, cause: briefError(error) };
    };
    this.#doom = because({ workflowId: this.#board.definition.workflowId });
    for (const step of this.#board.steps) {
      if (!hasEnded(step)) this.#board.end(step, "skip", because({ step: step.definition.stepId }));
    }
  }

  #failFast({ definition: { stepId }, state }: RunStep): void {
    const reason = `step "${stepId}" ${state === "failed" ? "failed" : "was cancelled"}`;
    this.#stopWith({ why: "failure", reason, force: false });
  }

  #stopWith(stop: Stop): void {
    this.#stop = stop;
    // Its steps have ended, and what undoes them goes on.
    if (this.#compensations.hasBegun && !stop.force) return;
    if (stop.why !== "failure") this.#deafFromMs = Math.min(this.#deafFromMs, this.#board.nowMs);
    this.#life.stop(stop);
  }

  // --- the end --------------------------------------------------------------------------------------------------------

  /** No step runs any more: what was done is undone, unless the run is about to be completed. */
  undo(): void {
    const { definition, state, hasEnded: isOver } = this.#board;
    if (this.#compensations.hasBegun || isOver) return;
    if (definition.steps.every(({ compensate }) => compensate === undefined)) return;
    if (state === "cancelling" || this.#failure() !== null) this.#compensations.begin(this.#stop);
  }

  finish(): void {
    const { state, hasEnded: isOver } = this.#board;
    assert(this.#board.open === 0, "a run ends after its last step");
    if (!isOver) {
      const why = state === "cancelling" ? this.#board.error : this.#failure();
      const error = this.#compensations.errorOf(why);
      if (error !== null) this.#board.fail(error);
      this.#board.advance(state === "cancelling" ? "stop" : error === null ? "complete" : "fail");
    }
    this.#board.finish();
  }

  #failure(): WireError | null {
    const { workflowId } = this.#board.definition;
    const { deadlineMs, submittedAtMs } = this.#board;
    const cause = this.#doom ?? (this.#blamed && failureOf(this.#blamed, workflowId));
    if (this.#stop?.why !== "deadline") return cause;
    const timeoutMs = Math.max(0, deadlineMs - submittedAtMs);
    const error = wireFault("DEADLINE_EXCEEDED", { what: `workflow "${workflowId}"`, timeoutMs });
    return cause === null ? error : { ...error, cause };
  }
}
