import type { MessageContext } from "../actor/index.ts";
import { LIMITS, assert, fault, isFault } from "../errors/index.ts";
import type { TaskOutcome } from "../queue/queue.protocol.ts";
import { checkPage, checkText, checkTexts, checkWords, cutText } from "../schema/index.ts";
import type { Scheduler as Turns, Timer } from "../scope/index.ts";
import { buildDag, type Dag } from "./dag.ts";
import { Durations } from "./durations.ts";
import { stepCountOf } from "./ended-runs.ts";
import { HandlerBook } from "./handler-book.ts";
import type { QueueListener } from "./queue-watch.ts";
import { RunDriver, type RunServices } from "./run-driver.ts";
import type { CancelRequest } from "./run-effect.ts";
import { RunHandlers, type KnownHandlers } from "./run-handlers.ts";
import { LIVE_RUNS, RunIntake, type NewRun } from "./run-intake.ts";
import { NO_MARKS, type KeptOutputs, type RunMarks } from "./run-memory.ts";
import { historyOf, pageOf } from "./run-history.ts";
import { readOutputs, resultOf } from "./run-results.ts";
import type { RunRetention } from "./run-retention.ts";
import { RunWaits } from "./run-waits.ts";
import { isOfWorkers, type WorkerFilter } from "./run-workers.ts";
import { RunCore } from "./run.core.ts";
import type { RunFilter, UnfinishedRun } from "./run.rows.ts";
import { TaskSubmitter } from "./task-submitter.ts";
import { touch } from "./touch.ts";
import {
  RUN_STATES,
  type RunHistoryPage,
  type RunResult,
  type RunStatus,
  type RunSummary,
  type SubmittedRun,
  type WorkflowDefinition,
} from "./workflow.protocol.ts";

/** What the scheduler gives each run, and what it needs itself. */
export interface RunSchedulerServices extends Omit<
  RunServices,
  "submitter" | "onCompleted" | "onEnded" | "endOf" | "knownHandlers"
> {
  readonly turns: Turns;
  /** Says what is wrong with the syntax of an expression. */
  readonly loadExpressions: () => Promise<(text: string) => string | undefined>;
  /** Nothing is handed to the queue. Default false. */
  readonly idle?: boolean;
}

/** Runs that are recovered at a time. */
const RECOVERIES = 8;
/** Durations that were learned are kept so long after the first of them at the latest. */
const KEEP_MS = 60_000;

/** All runs of one data directory: the unfinished ones live here, the ended ones are rows. */
export class RunScheduler implements QueueListener {
  readonly #services: RunServices;
  readonly #retention: RunRetention;
  readonly #idle: boolean;
  readonly #live = new Map<string, RunDriver>();
  readonly #intake: RunIntake;
  readonly #handlers: HandlerBook;
  readonly #durations: Durations;
  readonly #waits = new RunWaits((workflowId) => this.#live.get(workflowId));
  #keeping: Timer | null = null;

  constructor(services: RunSchedulerServices, retention: RunRetention, liveRunsMax: number = LIVE_RUNS) {
    const { rows, clock, loadExpressions, idle = false } = services;
    this.#retention = retention;
    this.#idle = idle;
    this.#durations = new Durations(rows.durations());
    this.#handlers = new HandlerBook(services, (known) => this.#know(known));
    this.#services = {
      ...services,
      submitter: new TaskSubmitter(services),
      onCompleted: (action, tookMs) => this.#observe(action, tookMs),
      onEnded: (status) => this.#ended(status),
      endOf: (workflowId) => this.#endOf(workflowId),
      knownHandlers: () => this.#handlers.ask(),
    };
    this.#intake = new RunIntake({
      rows,
      clock,
      retention,
      liveRunsMax,
      loadExpressions,
      idle,
      handlers: this.#handlers,
      durations: this.#durations,
      liveRuns: () => this.#live.size,
      status: (workflowId) => this.status(workflowId),
      isLive: (workflowId) => this.#live.has(workflowId),
      outputsOf: (status, isWanted) => readOutputs(status, isWanted, services, services),
      touch: (output) => touch(services.blobs, output),
      begin: (run, dag, handlers, kept) => this.#begin(run, dag, handlers, kept),
    });
  }

  get liveRuns(): number {
    return this.#live.size;
  }

  /** Takes up every run that had not ended. Resolves when all stand where they stood. */
  async recover(runs: readonly UnfinishedRun[]): Promise<void> {
    const drivers = runs.map((run) => {
      const graph = buildDag(run.definition.steps);
      assert(graph.ok, `the stored workflow "${run.workflowId}" was checked when it came in`);
      return this.#add(run, graph.dag, new RunHandlers(run.handlers, undefined), run.marks);
    });
    const waiting = drivers.values();
    const recoverSome = async (): Promise<void> => {
      for (const driver of waiting) await driver.recover();
    };
    await Promise.all(Array.from({ length: RECOVERIES }, recoverSome));
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  /** @see RunIntake.submit */
  submit(definition: WorkflowDefinition, traceparent?: string): Promise<SubmittedRun> {
    return this.#intake.submit(definition, traceparent);
  }

  /** @throws WORKFLOW_NOT_FOUND */
  async status(workflowId: string): Promise<RunStatus> {
    const driver = this.#live.get(workflowId);
    if (!driver) return this.#statusOf(workflowId);
    await driver.begun;
    return driver.core.status();
  }

  /** @throws WORKFLOW_NOT_FOUND, WORKFLOW_NOT_FINISHED; TASK_NOT_FOUND when a queue in memory has lost an output */
  async result(workflowId: string, { signal }: Pick<MessageContext, "signal">): Promise<RunResult> {
    const driver = this.#live.get(workflowId);
    if (driver) {
      await driver.begun;
      const { state } = driver.core;
      if (!driver.core.hasEnded) throw fault("WORKFLOW_NOT_FINISHED", { workflowId, state });
    }
    const status = await (driver?.ended ?? this.#statusOf(workflowId));
    const life = AbortSignal.any([signal, this.#services.signal]);
    return resultOf(status, this.#services, { clock: this.#services.clock, signal: life });
  }

  /** Resolves with the run as it ended, or, where nothing runs, as it waits to be undone. @throws WORKFLOW_NOT_FOUND */
  async cancel(workflowId: string, { reason, force }: CancelRequest): Promise<RunStatus> {
    const driver = this.#live.get(workflowId);
    if (!driver) return this.#statusOf(workflowId);
    await driver.cancel({ reason: cutText(reason, LIMITS.queue.reasonChars), force });
    if (!this.#idle || force) return driver.ended;
    return Promise.race([driver.ended, driver.undoing.then(() => driver.core.status())]);
  }

  /** @see Scheduler */
  async pause(workflowId: string, reason: string): Promise<RunStatus> {
    await this.#driver(workflowId, "paused").pause(reason.slice(0, LIMITS.queue.reasonChars));
    return this.status(workflowId);
  }

  /** @see Scheduler */
  async resume(workflowId: string): Promise<RunStatus> {
    await this.#driver(workflowId, "resumed").resume();
    return this.status(workflowId);
  }

  /** @see RunIntake.rerun */
  rerun(...request: Parameters<RunIntake["rerun"]>): Promise<SubmittedRun> {
    return this.#intake.rerun(...request);
  }

  /** @throws WORKFLOW_NOT_FOUND, INVALID_ARGUMENT */
  async history(workflowId: string, page: { offset: number; limit: number }): Promise<RunHistoryPage> {
    checkPage(page);
    const { offset, limit } = page;
    const driver = this.#live.get(workflowId);
    await driver?.begun;
    if (driver) return driver.history.page(offset, limit);
    const kept = this.#services.rows.history(workflowId) ?? historyOf(this.#statusOf(workflowId));
    return pageOf(kept, offset, limit);
  }

  /** Of a run that has not ended. @throws WORKFLOW_NOT_FOUND, WORKFLOW_ENDED */
  #driver(workflowId: string, wanted: string): RunDriver {
    const driver = this.#live.get(workflowId);
    if (driver) return driver;
    const { state } = this.#statusOf(workflowId);
    throw fault("WORKFLOW_ENDED", { workflowId, state, wanted });
  }

  /** @throws INVALID_ARGUMENT */
  list(filter: RunFilter): { runs: RunSummary[]; total: number } {
    checkPage(filter);
    if (filter.states !== undefined) checkWords("states", filter.states, RUN_STATES);
    if (filter.tags !== undefined) checkTexts("tags", filter.tags);
    const { worker, peer } = filter;
    if (worker !== undefined) checkText("worker", worker);
    if (peer !== undefined) checkText("peer", peer);
    const isAsked = worker !== undefined || peer !== undefined;
    const { rows, total } = this.#services.rows.page(filter, isAsked ? this.#liveOf(filter) : null);
    const runs = rows.flatMap(({ workflowId, state, summary }) => {
      const live = summary ?? this.#live.get(workflowId)?.core.summary();
      // A run that is still being recovered stands where its row says.
      return live ? { ...live, state } : [];
    });
    return { runs, total };
  }

  /** Ids of live runs that these workers had. */
  #liveOf(by: WorkerFilter): string[] {
    return [...this.#live].flatMap(([id, { core }]) => (isOfWorkers(core.workerIds, by) ? [id] : []));
  }

  /** What was learned is kept. */
  async close(): Promise<void> {
    this.#keeping?.cancel();
    await this.#keepDurations();
  }

  // --- what the queue tells -----------------------------------------------------------------------------------------

  subscribed(): void {
    this.#handlers.forget();
    this.#know(undefined);
    if (this.#live.size > 0) this.#handlers.ask().catch(() => undefined);
    for (const driver of this.#live.values()) driver.resync();
  }

  started(event: Parameters<QueueListener["started"]>[0]): void {
    this.#driverOf(event)?.queue.started(event.taskId, event);
  }

  progressed(event: { taskId: string; group: string | null; progress: number; message: string }): void {
    this.#driverOf(event)?.queue.progressed(event.taskId, event.progress, event.message);
  }

  settled(outcome: TaskOutcome): void {
    this.#driverOf(outcome)?.queue.settled(outcome);
  }

  #driverOf({ group }: { group: string | null }): RunDriver | undefined {
    return group === null ? undefined : this.#live.get(group);
  }

  // --- runs that begin and end --------------------------------------------------------------------------------------

  #begin(run: NewRun, dag: Dag, handlers: RunHandlers, kept: KeptOutputs): RunStatus {
    const driver = this.#add(run, dag, handlers, NO_MARKS);
    const status = driver.core.status();
    driver.start(run.submittedAtMs, kept);
    return status;
  }

  #add(
    run: NewRun & Partial<Pick<UnfinishedRun, "workerIds">>,
    dag: Dag,
    handlers: RunHandlers,
    marks: RunMarks,
  ): RunDriver {
    const driver = new RunDriver(new RunCore({ ...run, dag, handlers }), this.#services, marks);
    this.#live.set(run.workflowId, driver);
    this.#waits.wait(driver);
    return driver;
  }

  #ended(status: RunStatus): void {
    const driver = this.#live.get(status.workflowId);
    this.#live.delete(status.workflowId);
    this.#retention.ended(stepCountOf(status));
    if (driver) this.#waits.forget(driver);
    for (const waiting of this.#waits.take(status.workflowId)) waiting.dependencyEnded(status);
  }

  /** Undefined while it has not ended. */
  #endOf(workflowId: string): Pick<RunSummary, "workflowId" | "state" | "error"> | undefined {
    if (this.#live.has(workflowId)) return undefined;
    // One that is gone had completed: if not, whoever waited for it would have failed long ago.
    return this.#services.rows.ended(workflowId) ?? { workflowId, state: "completed", error: null };
  }

  #statusOf(workflowId: string): RunStatus {
    const status = this.#services.rows.ended(workflowId);
    if (!status) throw fault("WORKFLOW_NOT_FOUND", { workflowId });
    return status;
  }

  // --- what is learned about handlers -------------------------------------------------------------------------------

  #know(known: KnownHandlers): void {
    for (const driver of this.#live.values()) driver.core.know(known);
  }

  #observe(action: string, tookMs: number): void {
    this.#durations.observe(action, tookMs);
    const { clock } = this.#services;
    this.#keeping ??= clock.at(clock.now() + KEEP_MS, () => void this.#keepDurations());
  }

  async #keepDurations(): Promise<void> {
    this.#keeping = null;
    const changed = this.#durations.takeChanged();
    if (changed.length === 0) return;
    try {
      await this.#services.rows.keepDurations(changed);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#services.log.debug("how long handlers take was not kept", { error });
    }
  }
}
