import type { WireError } from "../errors/index.ts";
import type { Compensations } from "./compensations.ts";
import { Conditions } from "./conditions.ts";
import { FanOut } from "./fan-out.ts";
import type { RunBoard } from "./run-board.ts";
import type { CancelRequest, TaskEnd } from "./run-effect.ts";
import { WHOLE } from "./run-memory.ts";
import { cancelledStep, hasEnded, type RunStep, type RunTask } from "./run-step.ts";
import { isInQueue } from "./run-task.ts";
import { SingleWork } from "./single-work.ts";
import type { TaskDesk } from "./task-desk.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner, TaskStart } from "./task-owner.ts";

/** From the release of a step to its end: first its condition, then its work, which is one task or one for each item. */
export class StepLife {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;
  readonly #conditions: Conditions;
  readonly #single: SingleWork;
  readonly #fanOut: FanOut;
  readonly #compensations: Compensations;

  constructor(
    board: RunBoard,
    line: TaskLine,
    desk: TaskDesk,
    compensations: Compensations,
    onItemFailed: (step: RunStep, index: number) => void,
  ) {
    this.#board = board;
    this.#line = line;
    this.#desk = desk;
    this.#conditions = new Conditions(board, line, desk, (step) => this.#begin(step));
    this.#single = new SingleWork(board, line, desk);
    this.#fanOut = new FanOut(board, line, desk, onItemFailed);
    this.#compensations = compensations;
  }

  release(step: RunStep): void {
    this.#board.release(step);
    const { stepId, when } = step.definition;
    const isKept = this.#desk.kept.get(stepId)?.has(WHOLE) === true;
    // What was taken over as a whole needs neither a condition nor items.
    if (isKept) this.#single.begin(step);
    else if (when !== undefined) this.#conditions.ask(step);
    else this.#begin(step);
  }

  #begin(step: RunStep): void {
    if (step.definition.forEach === undefined) this.#single.begin(step);
    else this.#fanOut.begin(step);
  }

  // --- news ---------------------------------------------------------------------------------------------------------

  /** @param output null for a miss */
  cacheAnswered(task: RunTask, output: Uint8Array | null): void {
    if (task.place !== "cache") return;
    if (output === null) this.#desk.enter(task);
    else this.#ownerOf(task).found(task, { output, atMs: this.#board.nowMs, reused: false });
  }

  itemsLoaded(step: RunStep, loaded: { readonly value: unknown } | { readonly error: WireError }): void {
    this.#fanOut.itemsLoaded(step, loaded);
  }

  /** Are the items of any step still being loaded? */
  get isLoading(): boolean {
    return this.#fanOut.isLoading;
  }

  started(task: RunTask, start: TaskStart): void {
    this.#ownerOf(task).started(task, start);
  }

  progressed(task: RunTask, progress: number, message: string | null): void {
    this.#ownerOf(task).progressed(task, progress, message);
  }

  interrupted(task: RunTask): void {
    this.#ownerOf(task).interrupted(task);
  }

  settled(task: RunTask, end: TaskEnd): void {
    this.#ownerOf(task).settled(task, end);
  }

  /** The queue has given the task back. */
  withdrawn(task: RunTask): void {
    const owner = this.#ownerOf(task);
    // It had started, and what ran it died, between two looks at the queue.
    if (task.place === "running") owner.interrupted(task);
    if (this.#isWanted(task)) this.#line.putBack(task);
    else owner.dropped(task);
  }

  /** False: it is to end when the run is being stopped. */
  #isWanted({ part }: RunTask): boolean {
    return part === "compensate" ? !this.#compensations.isForsaken : this.#board.stopReason === null;
  }

  /** What is to end now of what may be in the queue, when the run is being stopped. */
  get tasksToCancel(): RunTask[] {
    return [...this.#line.inQueue].filter((task) => !this.#isWanted(task));
  }

  urgencyChanged(step: RunStep): void {
    for (const task of tasksOf(step)) this.#desk.urgencyChanged(task);
  }

  /** What is not in the queue ends now; what may be there ends when the queue says so. */
  stop(request: CancelRequest): void {
    this.#board.stopReason = request.reason;
    for (const step of this.#board.steps) if (!hasEnded(step)) this.#stop(step);
    if (request.force) this.#compensations.forsake();
    if (this.#line.size > 0) this.#board.perform({ type: "cancelTasks", request });
  }

  #stop(step: RunStep): void {
    if (step.condition !== null && step.condition.place !== "ended") this.#conditions.stop(step);
    else if (step.task !== null) this.#single.stop(step);
    else if (step.state !== "pending" && step.definition.forEach !== undefined) this.#fanOut.stop(step);
    else this.#board.end(step, "cancel", cancelledStep(step, this.#board.stopReason ?? ""));
  }

  #ownerOf({ part, step }: RunTask): TaskOwner {
    if (part === "when") return this.#conditions;
    if (part === "compensate") return this.#compensations;
    return step.items === null ? this.#single : this.#fanOut;
  }
}

/** Those that are asked for, or wait for it. */
function tasksOf({ condition, task, items, undo }: RunStep): RunTask[] {
  const all = [condition, task, undo, ...(items?.tasks ?? [])];
  return all.filter((each) => each !== null && (each.place === "line" || isInQueue(each))) as RunTask[];
}
