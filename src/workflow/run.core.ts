import type { WireError } from "../errors/index.ts";
import type { TaskSpec } from "../queue/queue.protocol.ts";
import { Compensations } from "./compensations.ts";
import { Outcome, type EndedDependency, type Stop } from "./outcome.ts";
import { RunBoard, type RunParts } from "./run-board.ts";
import type { CancelRequest, Effect, TaskEnd } from "./run-effect.ts";
import type { KnownHandlers } from "./run-handlers.ts";
import {
  compensationsOf,
  firstFailureAtMs,
  type KeptOutputs,
  type RunMarks,
  type RunMemory,
} from "./run-memory.ts";
import { specOf } from "./run-task-spec.ts";
import type { RunStep, RunTask, Urgency } from "./run-step.ts";
import { isInQueue } from "./run-task.ts";
import { StepLife } from "./step-life.ts";
import { TaskDesk, passedSteps } from "./task-desk.ts";
import { TaskLine } from "./task-line.ts";
import type { TaskStart } from "./task-owner.ts";
import { Urgencies } from "./urgencies.ts";
import type { RunState, RunStatus, RunSummary, WorkflowDefinition } from "./workflow.protocol.ts";

const NOTHING_KEPT: KeptOutputs = new Map();

/** What waits until the run stands where it stood. */
interface Recovering {
  readonly marks: RunMarks;
  readonly effects: Effect[];
}

/**
 * One run of a workflow: what has happened goes in, what is to be done comes out. It knows no clock, no chance and
 * no neighbour; the same commands always give the same effects.
 *
 * - A step is released when its own dependencies have ended, never later.
 * - News about a task that has ended already is ignored: the queue's events of different kinds have no common order,
 *   and whoever looks twice at the queue sees things twice.
 * - A run ends when its last step has ended, and not before a task that may be in the queue has.
 *
 * The parts: `RunBoard` knows where everything stands, `StepLife` takes one step from its release to its end,
 * `TaskDesk` asks for what its tasks give, `TaskLine` lets them into the queue, `Urgencies` say which of them is to go
 * first, `Outcome` says what the end of a step means for the others, and `Compensations` undo what was done in vain.
 */
export class RunCore {
  readonly #board: RunBoard;
  readonly #line: TaskLine;
  readonly #desk: TaskDesk;
  readonly #life: StepLife;
  readonly #outcome: Outcome;
  readonly #compensations: Compensations;
  readonly #urgencies: Urgencies;
  #recovering: Recovering | null = null;

  constructor(parts: RunParts) {
    const { workflowId, maxConcurrency = Infinity } = parts.definition;
    this.#board = new RunBoard(parts);
    this.#line = new TaskLine(workflowId, maxConcurrency, this.#board.perform);
    this.#urgencies = new Urgencies(this.#board);
    this.#desk = new TaskDesk(this.#board, this.#line, this.#urgencies);
    this.#compensations = new Compensations(this.#board, this.#line, this.#desk);
    this.#life = new StepLife(this.#board, this.#line, this.#desk, this.#compensations, (step, index) =>
      this.#outcome.itemFailed(step, index),
    );
    this.#outcome = new Outcome(this.#board, this.#life, this.#urgencies, this.#compensations);
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  get definition(): WorkflowDefinition {
    return this.#board.definition;
  }

  get state(): RunState {
    return this.#board.state;
  }

  get hasEnded(): boolean {
    return this.#board.hasEnded;
  }

  /** 0 to 1, and it never goes back. A run that failed or was cancelled keeps what it had reached. */
  get progress(): number {
    return this.#board.progress;
  }

  /** When it is stopped if it has not ended; Infinity = never. */
  get deadlineMs(): number {
    return this.#board.deadlineMs;
  }

  /** Set once no further step may start: why, and how hard the rest is to be stopped. */
  get stopping(): Stop | null {
    return this.#outcome.stopping;
  }

  /** @see RunSummary */
  get workerIds(): readonly string[] {
    return this.#board.workerIds;
  }

  status(): RunStatus {
    return this.#board.status();
  }

  summary(): RunSummary {
    return this.#board.summary();
  }

  /** Of its completed steps, packed, by step id; null when they are not held, since they are large. */
  outputs(): Readonly<Record<string, Uint8Array>> | null {
    return this.#board.smallOutputs.of(this.#board.steps);
  }

  /** Those that may be in the queue. */
  get tasks(): IterableIterator<RunTask> {
    return this.#line.inQueue;
  }

  /** By its id, of those that may be in the queue; before the run stands where it stood, nothing is found. */
  find(taskId: string): RunTask | undefined {
    return this.isRecovering ? undefined : this.#line.find(taskId);
  }

  /** The same each time it is asked for, but for the time that is left; undefined when it has ended. */
  specOf(task: RunTask, nowMs: number): TaskSpec | undefined {
    return isInQueue(task) ? specOf(task, this.#board, nowMs) : undefined;
  }

  /** The handlers that the queue has; undefined = what was known may be wrong. */
  know(handlers: KnownHandlers): void {
    this.#board.handlers.know(handlers);
  }

  /** For other workflows, and so not started. */
  get isWaiting(): boolean {
    return this.#board.waitsFor.size > 0;
  }

  /** No step runs any more, and what they did is undone: nothing but a cancellation changes the end of the run. */
  get isUndoing(): boolean {
    return this.#compensations.hasBegun;
  }

  /** Of what may be in the queue: see `cancelTasks`. */
  get tasksToCancel(): RunTask[] {
    return this.#life.tasksToCancel;
  }

  /** Tasks to take back from the queue: the run was paused since they were asked for, and they have not started. */
  get tasksToWithdraw(): RunTask[] {
    return this.#line.outdated;
  }

  /** That of its most urgent step. */
  get urgency(): Urgency {
    return this.#urgencies.most;
  }

  // --- commands of its owner ----------------------------------------------------------------------------------------

  /**
   * It begins as soon as the workflows that it waits for have completed.
   *
   * @param kept outputs that are taken over from an earlier run
   */
  start(atMs: number, kept: KeptOutputs = NOTHING_KEPT): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#desk.kept = kept;
    this.#startIfFree(atMs);
    return this.#flush();
  }

  /**
   * Takes the place of `start` after a restart. What the queue and the run's row remember is taken in first, along the
   * edges, and only then is anything decided. That a task exists proves that its step was released, whatever the
   * clocks say; times are asked only where nothing else can tell what came first.
   *
   * @param waitsFor the workflows that it still waits for
   */
  recover(memory: RunMemory, waitsFor: readonly string[], atMs: number): readonly Effect[] {
    const { marks } = memory;
    const board = this.#board;
    board.waitsFor.clear();
    for (const id of waitsFor) board.waitsFor.add(id);
    const deafFromMs = Math.min(marks.cancel?.atMs ?? Infinity, marks.expiredAtMs ?? Infinity);
    this.#outcome.deafFrom(deafFromMs);
    const isFailFast = this.definition.onFailure === "fail_fast";
    const failedAtMs = isFailFast ? firstFailureAtMs(memory) : Infinity;
    this.#desk.kept = memory.kept;
    this.#desk.compensations = compensationsOf(memory);
    this.#desk.recall = {
      memory,
      deafFromMs,
      stoppedAtMs: Math.min(deafFromMs, failedAtMs),
      passed: passedSteps(board.dag, memory),
    };
    for (const task of memory.tasks.values()) board.had(task);
    board.silent = true;
    this.#recovering = { marks, effects: [] };
    this.#startIfFree(board.submittedAtMs);
    return this.#recoverOn(this.#recovering, atMs);
  }

  /** Lists of items that are kept as large values are missing still: `recover` asked for them, `itemsLoaded` goes on. */
  get isRecovering(): boolean {
    return this.#recovering !== null;
  }

  /** What was decided about the run counts for steps that stand where they stood, so not before all lists are there. */
  #recoverOn({ marks, effects }: Recovering, atMs: number): readonly Effect[] {
    const board = this.#board;
    this.#outcome.passOn();
    if (this.#life.isLoading) {
      const asked = board.takeEffects();
      effects.push(...asked.filter(({ type }) => type !== "loadItems"));
      return asked.filter(({ type }) => type === "loadItems");
    }
    this.#recovering = null;
    this.#desk.recall = null;
    board.silent = false;
    board.nowMs = atMs;
    if (marks.cancel) this.#outcome.cancel(marks.cancel);
    else if (marks.expiredAtMs !== null) this.#outcome.expire();
    else this.#outcome.failFastAgain();
    this.#line.hold(marks.generation);
    if (marks.pause !== null && !this.hasEnded && this.state !== "cancelling") board.advance("pause");
    else this.#line.release();
    if (this.tasksToWithdraw.length > 0) board.perform({ type: "withdrawTasks" });
    const ended = board.steps.length - board.open;
    board.changed(null, `resumed after a restart: ${ended} of ${board.steps.length} steps had ended`);
    return [...effects, ...this.#flush()];
  }

  /** Asking again changes nothing, but for `force`, which hurries what still runs. */
  cancel(request: CancelRequest, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    if (this.hasEnded || (this.state === "cancelling" && !request.force)) return [];
    this.#outcome.cancel(request);
    this.#line.release();
    return this.#flush();
  }

  /**
   * Nothing further is asked of the queue, and what has not started there is taken back; what runs goes on.
   *
   * @param generation above every earlier one
   */
  pause(generation: number, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    if (this.state !== "running" && this.state !== "submitted") return [];
    this.#board.advance("pause");
    this.#line.hold(generation);
    this.#board.changed(null);
    if (this.tasksToWithdraw.length > 0) this.#board.perform({ type: "withdrawTasks" });
    return this.#flush();
  }

  resume(atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    if (this.state !== "paused") return [];
    this.#board.advance(this.#board.hasStarted ? "resume" : "wait");
    this.#line.release();
    this.#board.changed(null);
    if (!this.#board.hasStarted) this.#startIfFree(atMs);
    return this.#flush();
  }

  /** Other runs that wait for this one make it as urgent as they are. */
  lend(urgency: Urgency, atMs: number): { hasChanged: boolean; effects: readonly Effect[] } {
    this.#board.nowMs = atMs;
    if (this.hasEnded || !this.#urgencies.lend(urgency)) return { hasChanged: false, effects: [] };
    for (const step of this.#board.steps) this.#life.urgencyChanged(step);
    return { hasChanged: true, effects: this.#board.takeEffects() };
  }

  /** Its time is over. What is being stopped already goes on doing so. */
  expire(atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    if (this.hasEnded || this.stopping !== null) return [];
    this.#outcome.expire();
    return this.#flush();
  }

  /** A workflow that it waits for has ended. */
  dependencyEnded(dependency: EndedDependency, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    if (this.hasEnded || !this.#board.waitsFor.delete(dependency.workflowId)) return [];
    if (dependency.state !== "completed") this.#outcome.abandon(dependency);
    else if (this.state === "submitted") this.#startIfFree(atMs);
    return this.#flush();
  }

  // --- news of its tasks ----------------------------------------------------------------------------------------------

  /** @param output null for a miss */
  cacheAnswered(task: RunTask, output: Uint8Array | null, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#life.cacheAnswered(task, output);
    return this.#flush();
  }

  /** @param loaded the list that a step fans out to, or why it cannot be had */
  itemsLoaded(
    step: RunStep,
    loaded: { readonly value: unknown } | { readonly error: WireError },
    atMs: number,
  ): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#life.itemsLoaded(step, loaded);
    return this.#recovering === null ? this.#flush() : this.#recoverOn(this.#recovering, atMs);
  }

  started(task: RunTask, start: TaskStart, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#board.had(start);
    if (isInQueue(task)) this.#life.started(task, start);
    return this.#flush();
  }

  /** @param progress 0 to 1 */
  progressed(task: RunTask, progress: number, message: string | null, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#life.progressed(task, progress, message);
    return this.#flush();
  }

  /** The queue has the task back in line: what ran it died. */
  interrupted(task: RunTask, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#life.interrupted(task);
    return this.#flush();
  }

  settled(task: RunTask, end: TaskEnd, atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    this.#board.had(end);
    if (isInQueue(task)) this.#life.settled(task, end);
    return this.#flush();
  }

  /** The queue has given these back. */
  withdrawn(tasks: readonly RunTask[], atMs: number): readonly Effect[] {
    this.#board.nowMs = atMs;
    for (const task of tasks) if (isInQueue(task)) this.#life.withdrawn(task);
    return this.#flush();
  }

  // --- parts ----------------------------------------------------------------------------------------------------------

  #startIfFree(atMs: number): void {
    if (this.#board.waitsFor.size > 0) return;
    this.#board.start(atMs);
    for (const step of this.#board.steps) if (step.waitingFor === 0) this.#life.release(step);
  }

  #flush(): readonly Effect[] {
    this.#outcome.passOn();
    if (this.#board.open === 0) this.#outcome.undo();
    this.#line.fill();
    // Only once: an ended run ignores every command before it gets here.
    const isOver = this.#board.open === 0 && !this.#compensations.isOpen;
    if (isOver && this.#board.endedAtMs === null) this.#outcome.finish();
    return this.#board.takeEffects();
  }
}
