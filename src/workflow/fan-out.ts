import { Reference, packValue } from "../codec/index.ts";
import { LIMITS, fault, isFault, toWireError, wireFault, type WireError } from "../errors/index.ts";
import { shortText } from "../schema/index.ts";
import type { RunBoard } from "./run-board.ts";
import type { TaskEnd } from "./run-effect.ts";
import type { KeptOutput } from "./run-memory.ts";
import { cancelledStep, hasEnded, type RunStep, type RunTask, type StepItems } from "./run-step.ts";
import { isInQueue, newTask } from "./run-task.ts";
import { itemsMax } from "./step-check.ts";
import type { TaskDesk } from "./task-desk.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner, TaskStart } from "./task-owner.ts";

/** Items that an error names; the rest are counted. */
const NAMED = 20;

/**
 * The work of a step that fans out: one task for each item, and in the end the join, which is the list of their
 * outputs. The step is `running` from when the first item has started or ended.
 */
export class FanOut implements TaskOwner {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;
  /** An item has failed for good. */
  readonly #onItemFailed: (step: RunStep, index: number) => void;
  /** Steps whose items are being loaded. */
  readonly #loading = new Set<RunStep>();

  constructor(
    board: RunBoard,
    line: TaskLine,
    desk: TaskDesk,
    onItemFailed: (step: RunStep, index: number) => void,
  ) {
    this.#board = board;
    this.#line = line;
    this.#desk = desk;
    this.#onItemFailed = onItemFailed;
  }

  /** Are the items of any step still being loaded? */
  get isLoading(): boolean {
    return this.#loading.size > 0;
  }

  begin(step: RunStep): void {
    if (!this.#desk.mayHaveBegun(step)) return;
    try {
      const items = this.#desk.resolve(step, step.definition.forEach?.items ?? null);
      if (!(items instanceof Reference)) return this.#open(step, items);
      if (items.sizeBytes > LIMITS.workflow.itemsBytes) {
        const { sizeBytes } = items;
        throw invalid(
          step,
          `for_each.items has ${sizeBytes} bytes; at most ${LIMITS.workflow.itemsBytes} are allowed`,
        );
      }
      this.#loading.add(step);
      this.#board.perform({ type: "loadItems", step, reference: items });
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#board.end(step, "fail", toWireError(error));
    }
  }

  /** @param loaded the list, or why it cannot be had */
  itemsLoaded(step: RunStep, loaded: { readonly value: unknown } | { readonly error: WireError }): void {
    if (!this.#loading.delete(step) || hasEnded(step)) return;
    if ("error" in loaded) return this.#board.end(step, "fail", loaded.error);
    try {
      this.#open(step, loaded.value);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#board.end(step, "fail", toWireError(error));
    }
  }

  // --- news of an item ----------------------------------------------------------------------------------------------

  started(task: RunTask, start: TaskStart): void {
    const { step } = task;
    const { items } = step;
    if (items === null || (task.place === "running" && start.attempt <= task.attempt)) return;
    if (task.place !== "running") items.running += 1;
    task.place = "running";
    task.attempt = start.attempt;
    this.#setProgress(task, items, 0);
    const attempt = Math.max(step.attempt, start.attempt);
    if (step.state !== "running") this.#board.begin(step, { ...start, attempt });
    step.attempt = attempt;
    step.workerId = start.workerId;
  }

  progressed(task: RunTask, progress: number, message: string | null): void {
    const { step } = task;
    if (task.place !== "running" || step.items === null) return;
    this.#setProgress(task, step.items, Math.min(1, Math.max(0, progress)));
    this.#board.report(step, meanOf(step.items), message);
  }

  interrupted(task: RunTask): void {
    const { step } = task;
    if (task.place !== "running" || step.items === null) return;
    task.place = "queue";
    step.items.running -= 1;
    this.#setProgress(task, step.items, 0);
    if (step.items.running === 0 && endedOf(step.items) === 0) this.#board.interrupt(step);
  }

  settled(task: RunTask, end: TaskEnd): void {
    const { step } = task;
    if (step.items === null) return;
    if (task.place === "running") step.items.running -= 1;
    this.#line.leave(task);
    step.attempt = Math.max(step.attempt, end.attempt);
    step.workerId = end.workerId ?? step.workerId;
    const endedAtMs = end.endedAtMs ?? this.#board.nowMs;
    const startedAtMs = Math.min(end.startedAtMs ?? endedAtMs, step.startedAtMs ?? Infinity);
    if (end.state === "completed") {
      const output = end.output ?? packValue(null);
      this.#desk.storeInCache(task, output);
      return this.#completed(task, output, { startedAtMs, endedAtMs });
    }
    if (end.state === "cancelled" && this.#desk.wasStopping(endedAtMs)) return this.#gone(task);
    const error = end.error ?? cancelledStep(step, "the task of an item was cancelled");
    this.#failed(task, error, { startedAtMs, endedAtMs });
  }

  found(task: RunTask, { output, atMs, reused }: KeptOutput): void {
    const { step } = task;
    this.#line.leave(task);
    if (step.items === null) return;
    if (!reused) step.items.found += 1;
    this.#completed(task, output, { startedAtMs: atMs, endedAtMs: atMs });
  }

  failed(task: RunTask, error: WireError): void {
    const { nowMs } = this.#board;
    this.#failed(task, error, { startedAtMs: nowMs, endedAtMs: nowMs });
  }

  dropped(task: RunTask): void {
    this.#line.leave(task);
    this.#gone(task);
  }

  /** What is in the queue ends when the queue says so. */
  stop(step: RunStep): void {
    if (step.items === null) {
      this.#board.end(step, "cancel", cancelledStep(step, this.#board.stopReason ?? ""));
      return;
    }
    for (const task of step.items.tasks) {
      if (task.place !== "ended" && !isInQueue(task)) this.dropped(task);
      if (hasEnded(step)) return;
    }
    this.#goOn(step);
  }

  // --- from the first item to the last --------------------------------------------------------------------------------

  /** @throws INPUT_INVALID */
  #open(step: RunStep, values: unknown): void {
    const { forEach } = step.definition;
    if (!Array.isArray(values))
      throw invalid(step, `for_each.items is ${shortText(values)}; a list is needed`);
    const most = forEach ? itemsMax(forEach) : 0;
    if (values.length > most)
      throw invalid(
        step,
        `for_each.items has ${values.length} items; at most ${most} are allowed (max_items)`,
      );
    const total = values.length;
    step.items = {
      total,
      values: values as readonly unknown[],
      tasks: [],
      outputs: this.#board.outputs.isWanted(step.at) ? Array.from({ length: total }, () => null) : null,
      open: 0,
      running: 0,
      completed: 0,
      found: 0,
      failed: [],
      progress: 0,
      lastEndMs: null,
      isAsking: false,
    };
    this.#goOn(step);
  }

  /** Asks for as many items as may be asked for, and ends the step when nothing is left to wait for. */
  #goOn(step: RunStep): void {
    const { items } = step;
    if (items === null || items.isAsking) return;
    items.isAsking = true;
    const most = step.definition.forEach?.maxConcurrent ?? Infinity;
    while (items.tasks.length < items.total && items.open < most && this.#board.stopReason === null)
      this.#ask(step, items);
    items.isAsking = false;
    if (items.open === 0) this.#join(step, items);
  }

  #ask(step: RunStep, items: StepItems): void {
    const index = items.tasks.length;
    const task = newTask(step, "run", index);
    items.tasks.push(task);
    items.open += 1;
    const item = { value: items.values[index], index };
    this.#desk.ask(task, () => this.#desk.resolve(step, step.definition.inputs, item), this);
  }

  #completed(task: RunTask, output: Uint8Array, times: Times): void {
    const { items } = task.step;
    if (items === null) return;
    items.completed += 1;
    if (items.outputs !== null) items.outputs[task.index] = output;
    this.#ended(task, items, times);
  }

  #failed(task: RunTask, error: WireError, times: Times): void {
    const { step } = task;
    if (step.items === null) return;
    step.items.failed.push({ index: task.index, error });
    // Before the step ends: then it is known why the rest is stopped.
    if (step.items.failed.length === 1) this.#onItemFailed(step, task.index);
    this.#ended(task, step.items, times);
  }

  #ended(task: RunTask, items: StepItems, { startedAtMs, endedAtMs }: Times): void {
    const { step } = task;
    items.open -= 1;
    items.lastEndMs = Math.max(items.lastEndMs ?? 0, endedAtMs);
    this.#setProgress(task, items, 1);
    const { attempt, workerId } = step;
    if (step.state !== "running") this.#board.begin(step, { attempt, workerId, startedAtMs });
    step.startedAtMs = Math.min(step.startedAtMs ?? startedAtMs, startedAtMs);
    this.#board.itemEnded(step, meanOf(items));
    this.#goOn(step);
  }

  /** The run is being stopped: the item has neither completed nor failed. */
  #gone({ step }: RunTask): void {
    if (step.items === null) return;
    step.items.open -= 1;
    this.#goOn(step);
  }

  #join(step: RunStep, items: StepItems): void {
    const { nowMs } = this.#board;
    const atMs = items.lastEndMs ?? nowMs;
    const isWhole = endedOf(items) === items.total;
    // All that is left was stopped: the stop, which is still to be taken in, ends it.
    if (!isWhole && this.#board.stopReason === null) return;
    const isForgiving = this.#board.definition.onFailure === "ignore";
    const outputs = items.outputs ?? [];
    items.values = [];
    items.tasks = [];
    items.outputs = null;
    if (items.failed.length > 0 && !isForgiving)
      return this.#board.end(step, "fail", failureOf(step, items), atMs);
    if (!isWhole)
      return this.#board.end(
        step,
        "cancel",
        cancelledStep(step, this.#board.stopReason ?? ""),
        Math.max(atMs, nowMs),
      );
    step.cached = items.total > 0 && items.found === items.total;
    this.#board.outputs.putList(step.at, outputs);
    this.#board.end(step, "complete", null, atMs);
  }

  #setProgress(task: RunTask, items: StepItems, progress: number): void {
    items.progress += progress - task.progress;
    task.progress = progress;
  }
}

interface Times {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

const endedOf = ({ completed, failed }: StepItems): number => completed + failed.length;
const meanOf = ({ progress, total }: StepItems): number => progress / total;

const invalid = ({ definition }: RunStep, problem: string): Error =>
  fault("INPUT_INVALID", { what: `step "${definition.stepId}"`, problems: [problem] });

/** By their places in the list, since which of them failed first in time is not known after a restart. */
function failureOf(
  { definition: { stepId: step } }: RunStep,
  { failed: found, total }: StepItems,
): WireError {
  const failed = found.toSorted((a, b) => a.index - b.index);
  const [first] = failed;
  const items = failed.map(({ index }) => index);
  const text = first?.error.message ?? "";
  const error = wireFault("ITEMS_FAILED", {
    step,
    failed: failed.length,
    total,
    items: items.slice(0, NAMED),
    text,
  });
  return first === undefined ? error : { ...error, cause: first.error };
}
