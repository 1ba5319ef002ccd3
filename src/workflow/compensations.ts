import { isFault, toWireError, wireFault, type WireError } from "../errors/index.ts";
import type { RunBoard } from "./run-board.ts";
import type { CancelRequest, TaskEnd } from "./run-effect.ts";
import { cancelledStep, isToBeUndone, type RunStep, type RunTask } from "./run-step.ts";
import { newTask } from "./run-task.ts";
import type { TaskDesk } from "./task-desk.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner } from "./task-owner.ts";

/** Steps that an error names; the rest are counted. */
const NAMED = 20;

/**
 * Undoes what the steps of a run have done that is about to end failed or cancelled, when none of them runs any more: in
 * reverse, each as soon as the compensations of all that depend on it, directly or not, have ended. One that fails holds
 * up no other.
 *
 * @see https://doi.org/10.1145/38713.38742 (Garcia-Molina and Salem 1987, sagas)
 */
export class Compensations implements TaskOwner {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;
  /** By step: those that depend on it and that are not behind; null before the first is asked for. */
  #ahead: Uint32Array | null = null;
  /** Steps with nobody ahead that have not been looked at. */
  readonly #free: RunStep[] = [];
  #isGoing = false;
  #open = 0;
  #isForsaken = false;
  readonly #failed: { readonly step: RunStep; readonly error: WireError }[] = [];

  constructor(board: RunBoard, line: TaskLine, desk: TaskDesk) {
    this.#board = board;
    this.#line = line;
    this.#desk = desk;
  }

  /** From then on the end of the run is settled, but for a cancellation. */
  get hasBegun(): boolean {
    return this.#ahead !== null;
  }

  /** Have some not ended? */
  get isOpen(): boolean {
    return this.#open > 0;
  }

  /** The run was cancelled by force: what has not started never will, and what runs is to be stopped. */
  get isForsaken(): boolean {
    return this.#isForsaken;
  }

  /** @param stop how the run is being stopped, if it is */
  begin(stop: CancelRequest | null): void {
    const { steps, dag } = this.#board;
    this.#isForsaken = stop?.force === true;
    this.#ahead = Uint32Array.from(steps, ({ at }) => dag.dependents(at).length);
    for (const step of steps) {
      if (!isToBeUndone(step)) continue;
      this.#open += 1;
      this.#board.undo(step, null);
    }
    if (this.#open === 0) return;
    for (const step of steps) if (this.#ahead[step.at] === 0) this.#free.push(step);
    this.#goOn();
    // After a restart: what an earlier life had asked for.
    if (stop !== null && this.#isForsaken && this.#line.size > 0)
      this.#board.perform({ type: "cancelTasks", request: stop });
  }

  /** What is in the queue ends when the queue says so. */
  forsake(): void {
    this.#isForsaken = true;
    for (const { undo } of this.#board.steps) if (undo?.place === "line") this.dropped(undo);
  }

  /** The error of the run in place of the one that it would have had; the same when nothing has failed here. */
  errorOf(error: WireError | null): WireError | null {
    // By their places, since which of them failed first in time is not known after a restart.
    const failed = this.#failed.toSorted((a, b) => a.step.at - b.step.at);
    const [first] = failed;
    if (first === undefined) return error;
    const { workflowId } = this.#board.definition;
    const steps = failed.slice(0, NAMED).map(({ step }) => step.definition.stepId);
    const details = { workflowId, failed: failed.length, steps, text: first.error.message };
    const wire = wireFault("COMPENSATION_FAILED", details);
    return error === null ? wire : { ...wire, cause: error };
  }

  // --- news of a task -------------------------------------------------------------------------------------------------

  started(task: RunTask): void {
    if (task.place === "running") return;
    task.place = "running";
    this.#board.undo(task.step, "start");
  }

  progressed(): void {}

  interrupted(task: RunTask): void {
    if (task.place !== "running") return;
    task.place = "queue";
    this.#board.undo(task.step, "interrupt");
  }

  settled(task: RunTask, end: TaskEnd): void {
    const { step } = task;
    this.#line.leave(task);
    if (end.state === "completed") return this.#end(step, "complete");
    if (end.state === "cancelled" && this.#isForsaken && end.attempt === 0) return this.#end(step, "skip");
    this.#end(step, "fail", end.error ?? cancelledStep(step, "the task that was to undo it was cancelled"));
  }

  /** It is looked up nowhere. */
  found(): void {}

  failed({ step }: RunTask, error: WireError): void {
    this.#end(step, "fail", error);
  }

  dropped(task: RunTask): void {
    this.#line.leave(task);
    this.#end(task.step, "skip");
  }

  // --- from the last step to the first --------------------------------------------------------------------------------

  /** A list, not a recursion: a chain may be as long as the graph. */
  #goOn(): void {
    if (this.#isGoing) return;
    this.#isGoing = true;
    // It grows while it is gone through.
    for (const step of this.#free) {
      if (step.compensation === "pending") this.#ask(step);
      else this.#leaveBehind(step);
    }
    this.#free.length = 0;
    this.#isGoing = false;
  }

  #ask(step: RunStep): void {
    const task = newTask(step, "compensate");
    step.undo = task;
    const inputs = step.definition.compensate?.inputs ?? {};
    const makeInput = (): unknown => this.#desk.resolve(step, inputs);
    if (this.#isForsaken && !this.#desk.isKnown(task)) this.#skip(step, makeInput);
    else this.#desk.ask(task, makeInput, this);
  }

  /** Inputs that lead nowhere fail it all the same: whether that came before the force is not known after a restart. */
  #skip(step: RunStep, makeInput: () => unknown): void {
    let error: WireError | null = null;
    try {
      makeInput();
    } catch (caught) {
      if (!isFault(caught)) throw caught;
      error = toWireError(caught);
    }
    this.#end(step, error === null ? "skip" : "fail", error);
  }

  #end(step: RunStep, event: "complete" | "fail" | "skip", error: WireError | null = null): void {
    if (error !== null) this.#failed.push({ step, error });
    this.#open -= 1;
    this.#board.undo(step, event, error);
    this.#leaveBehind(step);
    this.#goOn();
  }

  #leaveBehind({ at }: RunStep): void {
    for (const before of this.#board.dag.dependencies(at)) {
      const left = (this.#ahead?.[before] ?? 0) - 1;
      if (this.#ahead) this.#ahead[before] = left;
      if (left === 0) this.#free.push(this.#board.stepAt(before));
    }
  }
}
