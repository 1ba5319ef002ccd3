import { packValue } from "../codec/index.ts";
import type { TaskOutcome } from "../queue/queue.protocol.ts";
import { isFault, toWireError } from "../errors/index.ts";
import { cacheKey } from "./content-key.ts";
import type { Dag } from "./dag.ts";
import { resolveInputs, type Output, type Sources } from "./reference.ts";
import type { RunBoard } from "./run-board.ts";
import { endOf } from "./run-effect.ts";
import { WHOLE, type KeptOutputs, type RunMemory } from "./run-memory.ts";
import type { RunStep, RunTask } from "./run-step.ts";
import { formatTaskName, parseTaskId } from "./task-id.ts";
import type { TaskLine } from "./task-line.ts";
import type { TaskOwner } from "./task-owner.ts";
import type { Urgencies } from "./urgencies.ts";

/** What is remembered while a run is taken up again. */
export interface Recall {
  readonly memory: RunMemory;
  /** From when on nothing was asked for any more; Infinity = until the end. */
  readonly stoppedAtMs: number;
  /** When it was stopped from outside. */
  readonly deafFromMs: number;
  /** By step: 1 when a task of a step that depends on it exists, so that it had ended, whatever the clocks say. */
  readonly passed: Uint8Array;
}

export function passedSteps(dag: Dag, { tasks, kept }: RunMemory): Uint8Array {
  const known = new Set(kept.keys());
  for (const { taskId } of tasks.values()) known.add(parseTaskId(taskId)?.stepId ?? "");
  const passed = new Uint8Array(dag.size);
  for (let index = dag.order.length - 1; index >= 0; index--) {
    const at = dag.order[index] ?? 0;
    const isPassed = passed[at] === 1 || known.has(dag.idOf(at));
    if (isPassed) for (const before of dag.dependencies(at)) passed[before] = 1;
  }
  return passed;
}

/** Asks for what a task gives: first what is remembered or kept, then the cache, and then the queue. */
export class TaskDesk {
  /** Outputs for which there is no task. */
  kept: KeptOutputs = new Map();
  /** Null: there is nothing to remember. */
  recall: Recall | null = null;
  /** By name: tasks that undo steps, as the queue had them when the run was recovered. */
  compensations: RunMemory["tasks"] = new Map();
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #urgencies: Urgencies;

  constructor(board: RunBoard, line: TaskLine, urgencies: Urgencies) {
    this.#board = board;
    this.#line = line;
    this.#urgencies = urgencies;
  }

  /** @param makeInput called when it is needed; a fault that it throws means that the task cannot be asked for */
  ask(task: RunTask, makeInput: () => unknown, owner: TaskOwner): void {
    const { step, part, index } = task;
    const kept = this.kept.get(step.definition.stepId)?.get(step.items === null ? WHOLE : index);
    if (kept && part === "run") return owner.found(task, kept);
    const undoes = part === "compensate" ? this.compensations.get(this.#nameOf(task)) : undefined;
    if (undoes) return this.#takeUp(task, undoes, makeInput, owner);
    if (this.recall !== null && this.#remember(task, makeInput, owner, this.recall)) return;
    if (!this.#take(task, makeInput, owner)) return;
    if (task.cacheKey === null) return this.enter(task);
    task.place = "cache";
    this.#board.perform({ type: "lookUpCache", task, key: task.cacheKey });
  }

  /** Had an earlier life asked for this one, which undoes a step? */
  isKnown(task: RunTask): boolean {
    return this.compensations.has(this.#nameOf(task));
  }

  /** Was a task that was cancelled then cancelled by the stop? While things are remembered, that is still to come. */
  wasStopping(atMs: number): boolean {
    if (this.#board.stopReason !== null) return true;
    return this.recall !== null && (atMs >= this.recall.deafFromMs || atMs > this.recall.stoppedAtMs);
  }

  /** False of what could have begun only when the run was being stopped: the stop, which is still to come, ends it. */
  mayHaveBegun(step: RunStep, freeAtMs = this.#askedAtMs(step)): boolean {
    if (this.recall === null || this.#wasFree(step, freeAtMs, this.recall)) return true;
    const { stepId } = step.definition;
    const { workflowId } = this.#board.definition;
    const first = formatTaskName({ workflowId, stepId, part: "run", index: 0 });
    return this.recall.memory.tasks.has(first) || this.kept.has(stepId);
  }

  enter(task: RunTask): void {
    this.#line.enter(task, this.#urgencies.of(task.step));
  }

  urgencyChanged(task: RunTask): void {
    this.#line.change(task, this.#urgencies.of(task.step));
  }

  /** Of a task whose output is to be kept for others. */
  storeInCache({ step, cacheKey: key, module }: RunTask, value: Uint8Array): void {
    const { action, cacheTtlMs: ttlMs = 0 } = step.definition;
    // It may have been made by another version of the handler than the key says.
    if (key === null || this.#board.handlers.sha256(action) !== module) return;
    this.#board.perform({ type: "storeInCache", key, value, ttlMs });
  }

  /** What the references of a step lead to. @throws REFERENCE_MISSING, INPUT_INVALID */
  resolve(step: RunStep, value: Parameters<typeof resolveInputs>[1], item: Sources["item"] = null): unknown {
    const outputOf = (id: string): Output => this.#board.outputs.get(id, (at) => this.#whyMissing(at));
    return resolveInputs(step.definition.stepId, value, { outputOf, item });
  }

  #whyMissing(at: number): string {
    const { definition, state } = this.#board.stepAt(at);
    return `step "${definition.stepId}" is ${state} and has no output`;
  }

  /** False when it cannot be asked for. */
  #take(task: RunTask, makeInput: () => unknown, owner: TaskOwner): boolean {
    const { action, cacheTtlMs = 0 } = task.step.definition;
    const isCached = task.part === "run" && cacheTtlMs > 0;
    task.module = isCached ? this.#board.handlers.sha256(action) : undefined;
    try {
      const input = makeInput();
      task.input = packValue(input);
      // Without knowing whose output it would be, nothing is taken from the cache nor kept in it.
      task.cacheKey = task.module === undefined ? null : cacheKey(action, task.module, input);
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      task.place = "ended";
      owner.failed(task, toWireError(error));
      return false;
    }
  }

  /** True when nobody else is to be asked. */
  #remember(task: RunTask, makeInput: () => unknown, owner: TaskOwner, recall: Recall): boolean {
    const askedAtMs = this.#askedAtMs(task.step);
    if (this.#board.silent) this.#board.nowMs = askedAtMs;
    const known = recall.memory.tasks.get(this.#nameOf(task));
    // Inputs that lead nowhere had failed the step already, if it was released before the run was stopped.
    if (!known) return !this.#wasFree(task.step, askedAtMs, recall);
    this.#takeUp(task, known, makeInput, owner);
    return true;
  }

  /** The queue has it, or had it. */
  #takeUp(task: RunTask, known: TaskOutcome, makeInput: () => unknown, owner: TaskOwner): void {
    const end = endOf(known);
    if (end) return owner.settled(task, end);
    if (!this.#take(task, makeInput, owner)) return;
    const urgency = this.#urgencies.of(task.step);
    this.#line.takeIn(task, known.taskId, urgency, known.priority);
    this.#line.change(task, urgency);
    if (known.state === "queued") return;
    owner.started(task, known);
    owner.progressed(task, known.progress, null);
  }

  #nameOf({ step, part, index }: RunTask): string {
    const { workflowId } = this.#board.definition;
    return formatTaskName({ workflowId, stepId: step.definition.stepId, part, index });
  }

  #wasFree({ at }: RunStep, freeAtMs: number, { stoppedAtMs, passed }: Recall): boolean {
    return freeAtMs < stoppedAtMs || passed[at] === 1;
  }

  #askedAtMs({ at }: RunStep): number {
    const { dag, submittedAtMs } = this.#board;
    let latest = submittedAtMs;
    for (const before of dag.dependencies(at))
      latest = Math.max(latest, this.#board.stepAt(before).endedAtMs ?? 0);
    return latest;
  }
}
