import type { RefOf } from "../actor/index.ts";
import { LIMITS, isFault, toWireError, type Fault } from "../errors/index.ts";
import type { Queue, TaskOutcome, TaskSpec } from "../queue/queue.protocol.ts";
import type { Job } from "./patient-worker.ts";
import { endOf, type CancelRequest, type Effect, type TaskEnd } from "./run-effect.ts";
import type { RunTask } from "./run-step.ts";
import { readRunTasks } from "./run-tasks.ts";
import { isInQueue } from "./run-task.ts";
import type { TaskStart } from "./task-owner.ts";
import type { RunCore } from "./run.core.ts";
import type { SubmittingRun, TaskSubmitter } from "./task-submitter.ts";

export interface RunQueueServices {
  readonly queue: RefOf<typeof Queue>;
  readonly signal: AbortSignal;
  readonly submitter: TaskSubmitter;
  nowMs(): number;
  /** Of what was heard. */
  perform(effects: readonly Effect[]): void;
  /** There is something to do. */
  work(): void;
  /** Something was achieved. */
  achieved(): void;
  /** One attempt at an action has completed. */
  onCompleted(action: string, tookMs: number): void;
}

/** Task ids in one cancellation or withdrawal. */
const BATCH_IDS = LIMITS.queue.batchTasks;
/** Tasks that are given another priority at a time. */
const REPRIORITIZE_CALLS = 32;

/** The end of a task that never reached the queue. */
const NEVER_SUBMITTED = {
  attempt: 0,
  workerId: null,
  startedAtMs: null,
  endedAtMs: null,
  output: null,
} as const;

/**
 * What one run has to do with the queue. Tasks go there through the submitter that all runs share; everything else is
 * done one thing after the other, so that at each moment it is known what may be in the queue. Where that is in doubt,
 * the run is compared with the queue's tasks.
 */
export class RunQueue implements SubmittingRun {
  readonly #core: RunCore;
  readonly #services: RunQueueServices;
  /** What the queue has may differ from what the core believes. */
  #isStale = false;
  /** Why it may, when it is no use to look at once. */
  #trouble: Fault | null = null;
  #toCancel: CancelRequest | null = null;
  #toWithdraw = false;
  readonly #toReprioritize = new Set<RunTask>();
  /** Tasks of which there was news since the queue was last looked at: their place in that look is old. */
  #heard = new Set<string>();

  constructor(core: RunCore, services: RunQueueServices) {
    this.#core = core;
    this.#services = services;
  }

  // --- what is to be done -------------------------------------------------------------------------------------------

  submit(task: RunTask): void {
    this.#services.submitter.add(this, task);
  }

  cancel(request: CancelRequest): void {
    this.#toCancel = request;
  }

  withdraw(): void {
    this.#toWithdraw = true;
  }

  reprioritize(task: RunTask): void {
    this.#toReprioritize.add(task);
  }

  /** What the queue has is in doubt. */
  doubt(): void {
    this.#isStale = true;
  }

  /** Nothing that concerns the queue is left to do. */
  forget(): void {
    this.#isStale = false;
    this.#trouble = null;
    this.#toCancel = null;
    this.#toWithdraw = false;
    this.#toReprioritize.clear();
  }

  nextJob(): Job | undefined {
    if (this.#trouble !== null) return this.#meetTrouble;
    if (this.#isStale) return this.#compare;
    // What is on its way is answered for first.
    if (this.#services.submitter.onTheWay(this).size > 0) return undefined;
    if (this.#toCancel !== null) return this.#cancelTasks;
    if (this.#toWithdraw) return this.#withdrawTasks;
    return this.#toReprioritize.size > 0 ? this.#reprioritizeTasks : undefined;
  }

  /** All tasks of the run. What is heard while they are read is doubted. */
  async read(): Promise<Map<string, TaskOutcome>> {
    const { queue, signal } = this.#services;
    this.#heard = new Set();
    this.#isStale = false;
    return readRunTasks(queue, this.#core.definition.workflowId, signal);
  }

  /** Was there news since the last look? */
  get hasHeard(): boolean {
    return this.#heard.size > 0;
  }

  // --- what the queue tells -----------------------------------------------------------------------------------------

  started(taskId: string, start: TaskStart): void {
    const task = this.#hear(taskId);
    if (task) this.#services.perform(this.#core.started(task, start, this.#services.nowMs()));
  }

  progressed(taskId: string, progress: number, message: string): void {
    const task = this.#core.find(taskId);
    const text = message === "" ? null : message;
    if (task) this.#services.perform(this.#core.progressed(task, progress, text, this.#services.nowMs()));
  }

  settled(outcome: TaskOutcome): void {
    const task = this.#hear(outcome.taskId);
    const end = endOf(outcome);
    if (task && end) this.#settle(task, end);
  }

  #hear(taskId: string): RunTask | undefined {
    this.#heard.add(taskId);
    return this.#core.find(taskId);
  }

  #settle(task: RunTask, end: TaskEnd): void {
    const { startedAtMs, endedAtMs, state } = end;
    const { nowMs, perform, onCompleted } = this.#services;
    if (state === "completed" && startedAtMs !== null && endedAtMs !== null && task.part === "run")
      onCompleted(task.step.definition.action, endedAtMs - startedAtMs);
    perform(this.#core.settled(task, end, nowMs()));
  }

  // --- what the submitter tells -------------------------------------------------------------------------------------

  specOf(task: RunTask): TaskSpec | undefined {
    task.askedPriority = task.urgency.priority;
    return this.#core.specOf(task, this.#services.nowMs());
  }

  accepted(_: RunTask, wasThere: boolean): void {
    this.#services.achieved();
    // It may have started or ended before anyone listened.
    if (wasThere) this.#isStale = true;
  }

  refused(task: RunTask, error: Fault): void {
    if (isInQueue(task))
      this.#settle(task, { ...NEVER_SUBMITTED, state: "failed", error: toWireError(error) });
  }

  doubted(error: Fault): void {
    this.#trouble = error;
    this.#isStale = true;
  }

  arrived(): void {
    this.#services.work();
  }

  // --- jobs -----------------------------------------------------------------------------------------------------------

  readonly #meetTrouble = async (): Promise<void> => {
    const trouble = this.#trouble;
    this.#trouble = null;
    if (trouble !== null) throw trouble;
  };

  readonly #compare = async (): Promise<void> => {
    const { submitter } = this.#services;
    const tasks = await this.read();
    const found = new Map([...tasks.values()].map((task) => [task.taskId, task]));
    submitter.takeBack(this);
    const outdated = new Set(this.#core.tasksToWithdraw);
    const withdrawn: RunTask[] = [];
    for (const task of [...this.#core.tasks]) {
      const there = found.get(task.taskId);
      if (there && !this.#heard.has(task.taskId)) this.#takeIn(task, there);
      // What is on its way is answered for.
      else if (there || submitter.onTheWay(this).has(task)) continue;
      // It was taken back, or never got there.
      else if (outdated.has(task)) withdrawn.push(task);
      else this.submit(task);
    }
    this.#services.perform(this.#core.withdrawn(withdrawn, this.#services.nowMs()));
    this.#toCancel ??= this.#core.stopping;
  };

  #takeIn(task: RunTask, outcome: TaskOutcome): void {
    const end = endOf(outcome);
    if (end) return this.#settle(task, end);
    const { nowMs, perform } = this.#services;
    if (outcome.state === "queued") perform(this.#core.interrupted(task, nowMs()));
    else perform(this.#core.started(task, outcome, nowMs()));
  }

  readonly #cancelTasks = async (): Promise<void> => {
    const { queue, signal, submitter } = this.#services;
    const request = this.#toCancel;
    if (request === null) return;
    const unwanted = new Set(this.#core.tasksToCancel);
    for (const task of submitter.takeBack(this)) {
      if (!unwanted.has(task)) this.submit(task);
      else if (isInQueue(task)) this.#settle(task, { ...NEVER_SUBMITTED, state: "cancelled", error: null });
    }
    const { reason, force } = request;
    const runs = ({ place }: RunTask): number => (place === "running" ? 1 : 0);
    // Those that run go last: nothing that is to be cancelled too takes their places.
    const taskIds = this.#core.tasksToCancel
      .toSorted((a, b) => runs(a) - runs(b))
      .map(({ taskId }) => taskId);
    for (let first = 0; first < taskIds.length; first += BATCH_IDS) {
      const some = taskIds.slice(first, first + BATCH_IDS);
      await queue.call.cancel({ taskIds: some, reason, force }, { signal, timeoutMs: Infinity });
    }
    this.#services.achieved();
    if (this.#toCancel === request) this.#toCancel = null;
  };

  readonly #withdrawTasks = async (): Promise<void> => {
    const { queue, signal, submitter, perform, nowMs } = this.#services;
    const outdated = new Set(this.#core.tasksToWithdraw);
    const unsent = submitter.takeBack(this);
    for (const task of unsent) if (!outdated.has(task)) this.submit(task);
    perform(
      this.#core.withdrawn(
        unsent.filter((task) => outdated.has(task)),
        nowMs(),
      ),
    );
    const taskIds = this.#core.tasksToWithdraw.map(({ taskId }) => taskId);
    for (let first = 0; first < taskIds.length; first += BATCH_IDS) {
      const some = taskIds.slice(first, first + BATCH_IDS);
      const { withdrawn } = await queue.call.withdraw({ taskIds: some }, { signal, timeoutMs: Infinity });
      const tasks = withdrawn.flatMap((taskId) => this.#core.find(taskId) ?? []);
      perform(this.#core.withdrawn(tasks, nowMs()));
    }
    this.#services.achieved();
    this.#toWithdraw = false;
    // What was not given back has started, or is gone: the wish of an earlier life may have been carried out just now.
    if (this.#core.tasksToWithdraw.length > 0) this.#isStale = true;
  };

  readonly #reprioritizeTasks = async (): Promise<void> => {
    const some = [...this.#toReprioritize].slice(0, REPRIORITIZE_CALLS);
    await Promise.all(some.map((task) => this.#reprioritize(task)));
    this.#services.achieved();
  };

  async #reprioritize(task: RunTask): Promise<void> {
    const { queue, signal } = this.#services;
    const { taskId } = task;
    const { priority } = task.urgency;
    try {
      if (isInQueue(task) && task.askedPriority !== priority)
        await queue.call.reprioritize({ taskId, to: { priority } }, { signal, timeoutMs: Infinity });
    } catch (error) {
      // Whatever has ended is as urgent as it will ever be.
      if (!isFault(error, "TASK_ENDED") && !isFault(error, "TASK_NOT_FOUND")) throw error;
    }
    task.askedPriority = priority;
    if (task.urgency.priority === priority) this.#toReprioritize.delete(task);
  }
}

/** After a failed job: is it open what was carried out? A full mailbox took nothing. */
export const isDoubtful = (error: unknown): boolean => !isFault(error, "MAILBOX_FULL");
