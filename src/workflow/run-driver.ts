import type { RefOf } from "../actor/index.ts";
import { assert, fault, isFault, toWireError } from "../errors/index.ts";
import type { ActionInfo, Queue } from "../queue/queue.protocol.ts";
import type { Patience } from "../scope/index.ts";
import type { BlobStore } from "../store/index.ts";
import type { EndedDependency } from "./outcome.ts";
import { loadValue } from "./load-value.ts";
import { PatientWorker, type Job } from "./patient-worker.ts";
import type { CancelRequest, Effect } from "./run-effect.ts";
import { RunHistory } from "./run-history.ts";
import { NO_MARKS, WHOLE, type KeptOutputs, type RunMarks } from "./run-memory.ts";
import { RunQueue, isDoubtful } from "./run-queue.ts";
import type { RunTask, Urgency } from "./run-step.ts";
import { WORKERS_KEPT } from "./run-workers.ts";
import type { RunCore } from "./run.core.ts";
import type { RunRows } from "./run.rows.ts";
import { StepCache, type StepCacheServices } from "./step-cache.ts";
import type { TaskSubmitter } from "./task-submitter.ts";
import { touch } from "./touch.ts";
import { WallAlarm } from "./wall-alarm.ts";
import type { RunEnd, RunEvent, RunState, RunStatus } from "./workflow.protocol.ts";

export interface RunServices extends Patience, StepCacheServices {
  readonly queue: RefOf<typeof Queue>;
  readonly rows: RunRows;
  /** Null: nothing is kept on disk. */
  readonly blobs: Pick<BlobStore, "touch" | "pieces" | "get"> | null;
  readonly submitter: TaskSubmitter;
  emit(event: RunEvent): void;
  emitEnd(end: RunEnd): void;
  /** One attempt at an action has completed. */
  onCompleted(action: string, tookMs: number): void;
  /** The run has ended, and its end is on disk. */
  onEnded(status: RunStatus): void;
  /** How another run ended; undefined while it has not. */
  endOf(workflowId: string): EndedDependency | undefined;
  knownHandlers(): Promise<ReadonlyMap<string, ActionInfo>>;
}

type LoadItems = Extract<Effect, { type: "loadItems" }>;

/**
 * Joins the core of one run with the queue (`RunQueue`), the cache (`StepCache`), the clock and the disk: what the core
 * asks for is carried out, and what comes of it is told to the core.
 */
export class RunDriver {
  readonly core: RunCore;
  /** For what the queue tells. */
  readonly queue: RunQueue;
  readonly history = new RunHistory();
  readonly #services: RunServices;
  readonly #cache: StepCache;
  readonly #worker: PatientWorker;
  readonly #deadline: WallAlarm;
  readonly #begun = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<RunStatus>();
  readonly #undoing = Promise.withResolvers<void>();
  #hasBegun = false;
  /** Tells the end, which is told only when it is on disk. */
  #lastEvent: RunEvent | null = null;
  #marks: RunMarks;
  #workersKept = 0;

  constructor(core: RunCore, services: RunServices, marks: RunMarks = NO_MARKS) {
    this.core = core;
    this.#services = services;
    this.#marks = marks;
    const { queue, signal, submitter, onCompleted, clock } = services;
    this.#deadline = new WallAlarm(clock);
    this.#worker = new PatientWorker(queue, services, {
      next: () => this.#nextJob(),
      onFault: (error) => isDoubtful(error) && this.queue.doubt(),
      what: { workflowId: this.#workflowId },
    });
    this.queue = new RunQueue(core, {
      queue,
      signal,
      submitter,
      onCompleted,
      nowMs: () => this.#nowMs(),
      perform: (effects) => this.#perform(effects),
      work: () => this.#worker.work(),
      achieved: () => this.#worker.achieved(),
    });
    this.#cache = new StepCache(
      services,
      (task, output) => this.#keep(task, output),
      (task, output) => this.#perform(core.cacheAnswered(task, output, this.#nowMs())),
    );
  }

  /** @param kept outputs that are taken over from an earlier run */
  start(atMs: number, kept?: KeptOutputs): void {
    this.#begin();
    this.#perform(this.core.start(atMs, kept));
    this.#dependenciesEnded();
  }

  /** Instead of `start`, after a restart. Resolves when the run stands where it stood. */
  recover(): Promise<void> {
    this.#worker.work();
    return this.#begun.promise;
  }

  /** Resolves when status and state are those of the run, not of one that is still being recovered. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Resolves when the run has ended and that is on disk. */
  get ended(): Promise<RunStatus> {
    return this.#ended.promise;
  }

  /** Resolves when steps are being undone: the run ends when a handler has done that. */
  get undoing(): Promise<void> {
    return this.#undoing.promise;
  }

  /** Resolves when the wish is on disk; the run ends later. */
  async cancel(request: CancelRequest): Promise<void> {
    await this.#begun.promise;
    const { cancel } = this.#marks;
    if (this.core.hasEnded || (cancel !== null && !request.force)) return;
    await this.#mark("cancelling", { cancel: { ...request, atMs: cancel?.atMs ?? this.#nowMs() } });
    this.#perform(this.core.cancel(request, this.#nowMs()));
  }

  /**
   * Resolves when the wish is on disk: from then on nothing further is asked of the queue.
   *
   * @throws WORKFLOW_ENDED
   */
  async pause(reason: string): Promise<void> {
    await this.#begun.promise;
    if (this.#marks.pause !== null) return;
    this.#makeSureOfLife("paused");
    const generation = this.#marks.generation + 1;
    await this.#mark("paused", { pause: { reason, atMs: this.#nowMs() }, generation });
    this.#perform(this.core.pause(generation, this.#nowMs()));
  }

  /** @throws WORKFLOW_ENDED */
  async resume(): Promise<void> {
    await this.#begun.promise;
    this.#makeSureOfLife("resumed");
    if (this.#marks.pause === null) return;
    await this.#mark(this.core.isWaiting ? "submitted" : "running", { pause: null });
    this.#perform(this.core.resume(this.#nowMs()));
  }

  #makeSureOfLife(wanted: string): void {
    const { state, hasEnded } = this.core;
    if (hasEnded || state === "cancelling" || this.#marks.cancel !== null)
      throw fault("WORKFLOW_ENDED", { workflowId: this.#workflowId, state, wanted });
  }

  /** Other runs that wait for this one lend it their urgency. Returns whether that has changed anything. */
  lend(urgency: Urgency): boolean {
    const { hasChanged, effects } = this.core.lend(urgency, this.#nowMs());
    this.#perform(effects);
    return hasChanged;
  }

  /** A workflow that the run waits for has ended, and that is on disk. */
  dependencyEnded(dependency: EndedDependency): void {
    // One that is still to be recovered asks by itself how they ended.
    if (!this.#hasBegun) return;
    const { state } = this.core;
    this.#perform(this.core.dependencyEnded(dependency, this.#nowMs()));
    if (state === "submitted" && this.core.state === "running")
      this.#mark("running", {}).catch(this.#unmarked);
  }

  /** The queue's events did not reach us for a while. */
  resync(): void {
    this.queue.doubt();
    // One that is still to be recovered looks at the queue anyway, when its turn comes.
    if (this.#hasBegun) this.#worker.work();
  }

  // --- effects ------------------------------------------------------------------------------------------------------

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "changed") this.#tell(effect.event, effect.isProgress);
      else if (effect.type === "submitTask") this.#submit(effect.task);
      else if (effect.type === "lookUpCache") this.#cache.lookUp(effect);
      else if (effect.type === "loadItems") void this.#loadItems(effect).then((more) => this.#perform(more));
      else if (effect.type === "storeInCache") void this.#cache.store(effect.key, effect.value, effect.ttlMs);
      else if (effect.type === "cancelTasks") this.queue.cancel(effect.request);
      else if (effect.type === "withdrawTasks") this.queue.withdraw();
      else if (effect.type === "reprioritize") this.queue.reprioritize(effect.task);
      else if (effect.type === "keepWorkers") this.#keepWorkers();
      else this.#lastEvent = effect.event;
    }
    if (this.core.stopping !== null) this.#cache.forget();
    this.#worker.work();
  }

  /** As often as there may be workers in a row, and not without end where many take turns. */
  #keepWorkers(): void {
    if (this.#workersKept >= WORKERS_KEPT) return;
    this.#workersKept += 1;
    this.#services.rows.keepWorkers(this.#workflowId, this.core.workerIds).catch(this.#unmarked);
  }

  #submit(task: RunTask): void {
    this.queue.submit(task);
    if (task.part === "compensate") this.#undoing.resolve();
  }

  #tell(event: RunEvent, isProgress: boolean): void {
    this.history.add(event, isProgress);
    this.#services.emit(event);
  }

  /** Resolves when an output for which no task exists is on disk. */
  async #keep({ step, index }: RunTask, output: Uint8Array): Promise<void> {
    const { rows, blobs } = this.#services;
    await touch(blobs, output);
    const kept = { output, atMs: this.#nowMs(), reused: false };
    const item = step.items === null ? WHOLE : index;
    await rows.keepOutput(this.#workflowId, step.definition.stepId, item, kept);
  }

  async #loadItems({ step, reference }: LoadItems): Promise<readonly Effect[]> {
    const { blobs, signal } = this.#services;
    const loaded = await loadValue(blobs, reference, step.definition.stepId).then(
      (value) => ({ value }),
      (error: unknown) => {
        if (!isFault(error)) throw error;
        return { error: toWireError(error) };
      },
    );
    return signal.aborted ? [] : this.core.itemsLoaded(step, loaded, this.#nowMs());
  }

  // --- beginning and ending -------------------------------------------------------------------------------------------

  #nextJob(): Job | undefined {
    if (!this.#hasBegun) return this.#recover;
    if (this.#lastEvent !== null) return this.#keepEnd;
    return this.queue.nextJob();
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#begun.resolve();
    if (this.#marks.expiredAtMs === null) this.#deadline.set(this.core.deadlineMs, () => void this.#expire());
  }

  readonly #recover = async (): Promise<void> => {
    const { rows, knownHandlers } = this.#services;
    // A module that cannot be loaded keeps nobody from going on.
    this.core.know(await knownHandlers().catch(() => undefined));
    const tasks = await this.queue.read();
    const kept = rows.keptOutputs(this.#workflowId);
    const memory = { tasks, kept, marks: this.#marks };
    let effects = this.core.recover(memory, this.#openDependencies(), this.#nowMs());
    while (this.core.isRecovering) {
      const [effect, ...others] = effects;
      assert(effect?.type === "loadItems", "until a run stands where it stood, it asks for lists alone");
      effects = [...others, ...(await this.#loadItems(effect))];
      if (this.#services.signal.aborted) return;
    }
    // What was heard while the pages came is not in the core yet, and may be missing in the pages.
    if (this.queue.hasHeard) this.queue.doubt();
    this.#worker.achieved();
    this.#begin();
    this.history.restore(this.core.status());
    this.#perform(effects);
    // Of those that the queue has already nothing is asked.
    for (const { part } of this.core.tasks) if (part === "compensate") this.#undoing.resolve();
    this.#dependenciesEnded();
  };

  /** A workflow that did not complete is one that the run still waits for, until it is told. */
  #openDependencies(): string[] {
    const { dependencies = [] } = this.core.definition;
    return dependencies.filter((id) => this.#services.endOf(id)?.state !== "completed");
  }

  /** Of those that had ended before the run began. */
  #dependenciesEnded(): void {
    for (const id of this.core.definition.dependencies ?? []) {
      const end = this.#services.endOf(id);
      if (end) this.dependencyEnded(end);
    }
  }

  async #expire(): Promise<void> {
    if (this.core.hasEnded || this.core.stopping !== null || this.core.isUndoing) return;
    await this.#mark(this.core.state, { expiredAtMs: this.#nowMs() }).catch(this.#unmarked);
    this.#perform(this.core.expire(this.#nowMs()));
  }

  readonly #keepEnd = async (): Promise<void> => {
    const last = this.#lastEvent;
    if (last === null) return;
    const status = this.core.status();
    await this.#services.rows.end(status, this.history.with(last));
    this.#lastEvent = null;
    this.queue.forget();
    this.#deadline.cancel();
    this.#services.emit(last);
    const outputs = this.core.outputs();
    this.#services.emitEnd({ ...last, step: null, result: outputs && { ...status, outputs } });
    this.#services.onEnded(status);
    this.#ended.resolve(status);
  };

  // --- small parts ----------------------------------------------------------------------------------------------------

  /** Resolves when it is on disk. */
  #mark(state: RunState, more: Partial<RunMarks>): Promise<void> {
    const before = this.#marks;
    this.#marks = { ...before, ...more };
    return this.#services.rows.mark(this.#workflowId, state, this.#marks, () => (this.#marks = before));
  }

  /** What can be told from elsewhere after a restart need not be on disk. */
  readonly #unmarked = (error: unknown): void => {
    if (!isFault(error)) throw error;
    this.#services.log.debug("a decision about a run is not on disk", {
      workflowId: this.#workflowId,
      error,
    });
  };

  get #workflowId(): string {
    return this.core.definition.workflowId;
  }

  #nowMs(): number {
    return this.#services.clock.wallNow();
  }
}
