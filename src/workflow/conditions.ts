import { unpackValue } from "../codec/index.ts";
import { wireFault, type WireError } from "../errors/index.ts";
import type { Output } from "./reference.ts";
import type { RunBoard } from "./run-board.ts";
import type { TaskEnd } from "./run-effect.ts";
import { cancelledStep, type RunStep, type RunTask } from "./run-step.ts";
import { isInQueue, newTask } from "./run-task.ts";
import type { TaskDesk } from "./task-desk.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner } from "./task-owner.ts";

/**
 * Decides whether a step runs: its condition is evaluated by a handler, as a task of the action `transform`, because an
 * expression may compute for ever. While that goes on the step is `ready`.
 */
export class Conditions implements TaskOwner {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;
  readonly #onTrue: (step: RunStep) => void;

  constructor(board: RunBoard, line: TaskLine, desk: TaskDesk, onTrue: (step: RunStep) => void) {
    this.#board = board;
    this.#line = line;
    this.#desk = desk;
    this.#onTrue = onTrue;
  }

  ask(step: RunStep): void {
    const task = newTask(step, "when");
    step.condition = task;
    this.#desk.ask(task, () => this.#inputOf(step), this);
  }

  started(task: RunTask): void {
    task.place = "running";
  }

  progressed(): void {}

  interrupted(task: RunTask): void {
    task.place = "queue";
  }

  settled(task: RunTask, end: TaskEnd): void {
    const { step } = task;
    this.#line.leave(task);
    const endedAtMs = end.endedAtMs ?? this.#board.nowMs;
    const { stopReason } = this.#board;
    if (end.state === "completed" && stopReason !== null)
      return this.#board.end(step, "cancel", cancelledStep(step, stopReason), endedAtMs);
    if (end.state === "completed") {
      if (!this.#desk.mayHaveBegun(step, endedAtMs)) return;
      if (this.#board.silent) this.#board.nowMs = endedAtMs;
      return isTrue(end.output) ? this.#onTrue(step) : this.#refuse(step, endedAtMs);
    }
    const error = end.error ?? cancelledStep(step, stopReason ?? "its task was cancelled");
    this.#board.end(step, end.state === "failed" ? "fail" : "cancel", error, endedAtMs);
  }

  /** A condition is looked up nowhere. */
  found(): void {}

  failed({ step }: RunTask, error: WireError): void {
    this.#board.end(step, "fail", error);
  }

  dropped(task: RunTask): void {
    this.#line.leave(task);
    this.#board.end(task.step, "cancel", cancelledStep(task.step, this.#board.stopReason ?? ""));
  }

  /** What is in the queue ends when the queue says so. */
  stop({ condition }: RunStep): void {
    if (condition !== null && !isInQueue(condition)) this.dropped(condition);
  }

  #refuse(step: RunStep, atMs: number): void {
    step.isRefused = true;
    const error = wireFault("CONDITION_FALSE", { step: step.definition.stepId });
    this.#board.end(step, "skip", error, atMs);
  }

  #inputOf({ at, definition: { when } }: RunStep): unknown {
    const { dag, outputs, definition } = this.#board;
    const steps: Record<string, unknown> = {};
    for (const before of dag.dependencies(at)) {
      const { state, definition: other } = this.#board.stepAt(before);
      const output: Output = outputs.get(other.stepId, () => "");
      // A member of that name would be the prototype, not data.
      Object.defineProperty(steps, other.stepId, {
        value: { state, ...("value" in output && { output: output.value }) },
        enumerable: true,
      });
    }
    // The end of line keeps a place in the expression where it is written.
    return { expression: `(${when}\n) ? true : false`, input: { steps, metadata: definition.metadata } };
  }
}

const isTrue = (output: Uint8Array | null): boolean => output !== null && unpackValue(output) === true;
