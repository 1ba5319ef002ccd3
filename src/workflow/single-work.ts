import { packValue } from "../codec/index.ts";
import type { WireError } from "../errors/index.ts";
import type { RunBoard } from "./run-board.ts";
import type { TaskEnd } from "./run-effect.ts";
import type { KeptOutput } from "./run-memory.ts";
import { cancelledStep, type RunStep, type RunTask } from "./run-step.ts";
import { isInQueue, newTask } from "./run-task.ts";
import type { TaskDesk } from "./task-desk.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner, TaskStart } from "./task-owner.ts";

/** The work of a step that is one task. */
export class SingleWork implements TaskOwner {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;

  constructor(board: RunBoard, line: TaskLine, desk: TaskDesk) {
    this.#board = board;
    this.#line = line;
    this.#desk = desk;
  }

  begin(step: RunStep): void {
    const task = newTask(step, "run");
    step.task = task;
    const makeInput = (): unknown => {
      const input = this.#desk.resolve(step, step.definition.inputs);
      this.#board.outputs.release(step.at);
      return input;
    };
    this.#desk.ask(task, makeInput, this);
  }

  started(task: RunTask, start: TaskStart): void {
    if (task.place === "running" && start.attempt <= task.step.attempt) return;
    task.place = "running";
    this.#board.begin(task.step, start);
  }

  progressed(task: RunTask, progress: number, message: string | null): void {
    if (task.place === "running") this.#board.report(task.step, progress, message);
  }

  interrupted(task: RunTask): void {
    if (task.place !== "running") return;
    task.place = "queue";
    this.#board.interrupt(task.step);
  }

  settled(task: RunTask, end: TaskEnd): void {
    const { step } = task;
    this.#line.leave(task);
    step.attempt = end.attempt;
    step.workerId = end.workerId;
    step.startedAtMs = end.startedAtMs;
    const endedAtMs = end.endedAtMs ?? this.#board.nowMs;
    if (end.state === "completed") {
      const output = end.output ?? packValue(null);
      this.#desk.storeInCache(task, output);
      return this.#board.complete(step, output, endedAtMs);
    }
    const reason = this.#board.stopReason ?? "its task was cancelled";
    const error = end.error ?? cancelledStep(step, reason);
    this.#board.end(step, end.state === "failed" ? "fail" : "cancel", error, endedAtMs);
  }

  found(task: RunTask, { output, atMs, reused }: KeptOutput): void {
    const { step } = task;
    this.#line.leave(task);
    step.cached = !reused;
    step.reused = reused;
    this.#board.complete(step, output, atMs);
  }

  failed({ step }: RunTask, error: WireError): void {
    this.#board.end(step, "fail", error);
  }

  dropped(task: RunTask): void {
    this.#line.leave(task);
    this.#board.end(task.step, "cancel", cancelledStep(task.step, this.#board.stopReason ?? ""));
  }

  /** What is in the queue ends when the queue says so. */
  stop({ task }: RunStep): void {
    if (task !== null && !isInQueue(task)) this.dropped(task);
  }
}
