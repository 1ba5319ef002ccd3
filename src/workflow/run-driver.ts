import type { RefOf } from "../actor/index.ts";
import type { Cache } from "../cache/cache.protocol.ts";
import { isFault, toWireError, type Fault } from "../errors/index.ts";
import type { Queue, TaskOutcome, TaskSpec } from "../queue/queue.protocol.ts";
import { METRICS, type Log, type MetricsBlock } from "../telemetry/index.ts";
import { mayPass, untilAgain, type Patience } from "./again.ts";
import { endOf, type CancelRequest, type Effect, type StepEnd } from "./run-effect.ts";
import { readRunTasks } from "./run-tasks.ts";
import type { RunCore } from "./run.core.ts";
import type { CancelMark, RunRows } from "./run.rows.ts";
import type { RunEvent, RunStatus } from "./workflow.protocol.ts";

export interface RunServices extends Patience {
  readonly queue: RefOf<typeof Queue>;
  readonly cache: RefOf<typeof Cache>;
  readonly rows: RunRows;
  readonly log: Log;
  readonly metrics: MetricsBlock;
  emit(event: RunEvent): void;
  /** The run has ended, and its end is on disk. */
  onEnded(workflowId: string): void;
}

/** Tasks in one submit, and the bytes of input after which no further one is added. */
const BATCH_TASKS = 256;
const BATCH_BYTES = 512 * 1_024;
/** Task ids in one cancellation. */
const CANCEL_TASKS = 1_000;
/** Cache look-ups of one run at a time. */
const LOOKUPS = 32;
/** A cache that takes longer is as good as none. */
const CACHE_TIMEOUT_MS = 2_000;

/** After so many vain tries the log says so aloud. */
const LOUD_TRIES = 6;

/** The end of a step whose task never reached the queue. */
const NEVER_SUBMITTED = { attempt: 0, startedAtMs: null, endedAtMs: null, output: null } as const;

/**
 * Joins the core of one run with the queue, the cache and the disk.
 *
 * Everything that concerns the queue is done by one worker, one thing after the other, so that at each moment it is
 * known what may be in the queue. Whatever fails in between, the worker waits until the queue can be asked again,
 * compares the run with the queue's tasks, and goes on from there.
 */
export class RunDriver {
  readonly core: RunCore;
  readonly #services: RunServices;
  readonly #begun = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<RunStatus>();
  #hasBegun = false;
  #isWorking = false;
  /** Vain ones since something was achieved; comparing alone is no achievement. */
  #tries = 0;
  /** What the queue has may differ from what the core believes. */
  #isStale = false;
  readonly #toSubmit = new Set<string>();
  /** 1 while the one task is searched for because of which the queue refuses a batch. */
  #batchMax = BATCH_TASKS;
  #toCancel: CancelRequest | null = null;
  readonly #toLookUp: { stepId: string; key: string }[] = [];
  #lookingUp = 0;
  /** Steps of which there was news since the queue was last looked at: their place in that look is old. */
  #heard = new Set<string>();
  /** Tells the end, which is told only when it is on disk. */
  #lastEvent: RunEvent | null = null;
  #cancelMark: CancelMark | null;

  constructor(core: RunCore, services: RunServices, cancelMark: CancelMark | null = null) {
    this.core = core;
    this.#services = services;
    this.#cancelMark = cancelMark;
  }

  start(atMs: number): void {
    this.#hasBegun = true;
    this.#begun.resolve();
    this.#perform(this.core.start(atMs));
  }

  /** Instead of `start`, after a restart. Resolves when the run stands where it stood. */
  recover(): Promise<void> {
    this.#work();
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

  /** Resolves when the wish is on disk; the run ends later. */
  async cancel(request: CancelRequest): Promise<void> {
    await this.#begun.promise;
    if (this.core.hasEnded || (this.#cancelMark !== null && !request.force)) return;
    const mark = { ...request, atMs: this.#cancelMark?.atMs ?? this.#nowMs() };
    await this.#services.rows.cancel(this.#workflowId, mark);
    this.#cancelMark = mark;
    this.#perform(this.core.cancel(request, this.#nowMs()));
  }

  // --- what the queue tells -----------------------------------------------------------------------------------------

  /** The queue's events did not reach us for a while. */
  resync(): void {
    this.#isStale = true;
    // One that is still to be recovered looks at the queue anyway, when its turn comes.
    if (this.#hasBegun) this.#work();
  }

  started(stepId: string, start: { attempt: number; startedAtMs: number }): void {
    this.#heard.add(stepId);
    if (this.#hasBegun) this.#perform(this.core.stepStarted(stepId, start, this.#nowMs()));
  }

  progressed(stepId: string, progress: number, message: string): void {
    const text = message === "" ? null : message;
    if (this.#hasBegun) this.#perform(this.core.stepProgressed(stepId, progress, text, this.#nowMs()));
  }

  settled(stepId: string, outcome: TaskOutcome): void {
    this.#heard.add(stepId);
    const end = endOf(outcome);
    if (this.#hasBegun && end) this.#settle(stepId, end);
  }

  // --- effects ------------------------------------------------------------------------------------------------------

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "submitTask") this.#toSubmit.add(effect.stepId);
      else if (effect.type === "lookUpCache") this.#toLookUp.push(effect);
      else if (effect.type === "storeInCache") void this.#store(effect);
      else if (effect.type === "cancelTasks") this.#toCancel = effect;
      else if (effect.type === "changed") this.#services.emit(effect.event);
      else this.#lastEvent = effect.event;
    }
    this.#lookUp();
    this.#work();
  }

  #settle(stepId: string, end: StepEnd): void {
    this.#perform(this.core.stepSettled(stepId, end, this.#nowMs()));
  }

  // --- the worker ---------------------------------------------------------------------------------------------------

  /** A defect in it is not caught: it ends the actor, which recovers the run in its next life. */
  #work(): void {
    if (this.#isWorking || this.#services.signal.aborted) return;
    this.#isWorking = true;
    void this.#workThrough();
  }

  async #workThrough(): Promise<void> {
    const { queue, signal, log } = this.#services;
    try {
      for (let job = this.#nextJob(); job && !signal.aborted; job = this.#nextJob()) {
        try {
          await job();
        } catch (error) {
          if (signal.aborted || isFault(error, "ACTOR_STOPPED")) return;
          if (!isFault(error)) throw error;
          // A full mailbox took nothing; after any other failure it is open what was carried out.
          if (!isFault(error, "MAILBOX_FULL")) this.#isStale = true;
          const level = this.#tries === LOUD_TRIES ? "warn" : "debug";
          log[level]("a run waits to go on", { workflowId: this.#workflowId, error, tries: this.#tries });
          await untilAgain(queue, error, this.#tries++, this.#services);
        }
      }
    } finally {
      this.#isWorking = false;
    }
  }

  #nextJob(): (() => Promise<void>) | undefined {
    if (!this.#hasBegun) return () => this.#recover();
    const last = this.#lastEvent;
    if (last !== null) return () => this.#keepEnd(last);
    if (this.#isStale) return () => this.#compare();
    if (this.#toCancel !== null) return () => this.#cancelTasks();
    if (this.#toSubmit.size > 0) return () => this.#submitSome();
    return undefined;
  }

  async #recover(): Promise<void> {
    const { queue, rows, signal } = this.#services;
    this.#heard = new Set();
    this.#isStale = false;
    const tasks = await readRunTasks(queue, this.#workflowId, signal);
    const cached = rows.cachedOutputs(this.#workflowId);
    // What was heard while the pages came is not in the core yet, and may be missing in the pages.
    this.#isStale ||= this.#heard.size > 0;
    this.#tries = 0;
    this.#hasBegun = true;
    this.#perform(this.core.recover({ tasks, cached, cancel: this.#cancelMark }, this.#nowMs()));
    this.#begun.resolve();
  }

  async #compare(): Promise<void> {
    const { queue, signal } = this.#services;
    this.#heard = new Set();
    this.#isStale = false;
    const tasks = await readRunTasks(queue, this.#workflowId, signal);
    this.#toSubmit.clear();
    for (const { stepId, running } of this.core.outstanding()) {
      const task = tasks.get(stepId);
      if (this.#heard.has(stepId)) continue;
      if (task) this.#takeIn(stepId, task, running);
      else this.#toSubmit.add(stepId);
    }
    this.#toCancel ??= this.core.stopping;
  }

  #takeIn(stepId: string, task: TaskOutcome, wasRunning: boolean): void {
    const end = endOf(task);
    if (end) return this.#settle(stepId, end);
    const nowMs = this.#nowMs();
    if (task.state !== "queued") this.#perform(this.core.stepStarted(stepId, task, nowMs));
    else if (wasRunning) this.#perform(this.core.stepInterrupted(stepId, nowMs));
  }

  async #cancelTasks(): Promise<void> {
    const { queue, signal } = this.#services;
    const request = this.#toCancel;
    if (request === null) return;
    const { reason, force } = request;
    const taskIds = this.core
      .outstanding()
      .flatMap(({ stepId, taskId }) => (this.#toSubmit.has(stepId) ? [] : [taskId]));
    for (let first = 0; first < taskIds.length; first += CANCEL_TASKS) {
      const some = taskIds.slice(first, first + CANCEL_TASKS);
      await queue.call.cancel({ taskIds: some, reason, force }, { signal, timeoutMs: Infinity });
    }
    this.#tries = 0;
    if (this.#toCancel === request) this.#toCancel = null;
  }

  async #submitSome(): Promise<void> {
    const { queue, signal } = this.#services;
    if (this.core.stopping !== null) return this.#withdraw();
    const tasks = this.#nextBatch();
    if (tasks.size === 0) return;
    try {
      const accepted = await queue.call.submit(
        { tasks: [...tasks.values()] },
        { signal, timeoutMs: Infinity },
      );
      this.#tries = 0;
      for (const stepId of tasks.keys()) this.#toSubmit.delete(stepId);
      if (this.#toSubmit.size === 0) this.#batchMax = BATCH_TASKS;
      // One that was there already may have started or ended before anyone listened.
      if (accepted.tasks.some(({ replayed }) => replayed)) this.#isStale = true;
    } catch (error) {
      if (!isFault(error) || mayPass(error) || signal.aborted || error.code === "ACTOR_STOPPED") throw error;
      this.#refused([...tasks.keys()], error);
    }
  }

  #nextBatch(): Map<string, TaskSpec> {
    const tasks = new Map<string, TaskSpec>();
    let sizeBytes = 0;
    for (const stepId of this.#toSubmit) {
      const task = this.core.taskOf(stepId);
      if (task) tasks.set(stepId, task);
      else this.#toSubmit.delete(stepId);
      sizeBytes += task?.input.byteLength ?? 0;
      if (tasks.size >= this.#batchMax || sizeBytes >= BATCH_BYTES) break;
    }
    return tasks;
  }

  /** The queue takes a batch as a whole or not at all, and does not say which task is wrong: one by one it shows. */
  #refused(stepIds: readonly string[], error: Fault): void {
    const [only, ...others] = stepIds;
    if (only === undefined || others.length > 0) {
      this.#batchMax = 1;
      return;
    }
    this.#toSubmit.delete(only);
    this.#settle(only, { ...NEVER_SUBMITTED, state: "failed", error: toWireError(error) });
  }

  #withdraw(): Promise<void> {
    const withdrawn = [...this.#toSubmit];
    this.#toSubmit.clear();
    for (const stepId of withdrawn)
      this.#settle(stepId, { ...NEVER_SUBMITTED, state: "cancelled", error: null });
    return Promise.resolve();
  }

  async #keepEnd(last: RunEvent): Promise<void> {
    const { rows } = this.#services;
    const status = this.core.status();
    await rows.end(status);
    this.#lastEvent = null;
    // Nothing that concerns the queue is left to do.
    this.#isStale = false;
    this.#toCancel = null;
    this.#services.emit(last);
    this.#services.onEnded(this.#workflowId);
    this.#ended.resolve(status);
  }

  // --- the cache: down, slow or broken, it is a miss ------------------------------------------------------------------

  #lookUp(): void {
    // Steps that were cancelled meanwhile want no answer.
    if (this.core.stopping !== null) this.#toLookUp.length = 0;
    while (this.#lookingUp < LOOKUPS) {
      const next = this.#toLookUp.shift();
      if (!next) return;
      this.#lookingUp += 1;
      void this.#lookUpOne(next.stepId, next.key);
    }
  }

  async #lookUpOne(stepId: string, key: string): Promise<void> {
    const output = await this.#cachedOutput(stepId, key);
    this.#lookingUp -= 1;
    if (this.#services.signal.aborted) return;
    if (output !== null) this.#services.metrics.count(METRICS.stepsReused);
    this.#perform(this.core.cacheAnswered(stepId, output, this.#nowMs()));
  }

  /** A hit counts once its bytes are on disk: no task exists from which they could be read again. */
  async #cachedOutput(stepId: string, key: string): Promise<Uint8Array | null> {
    const { cache, rows, signal, log } = this.#services;
    try {
      const found = await cache.call.get({ key }, { signal, timeoutMs: CACHE_TIMEOUT_MS });
      if (!found.hit) return null;
      await rows.keepCached(this.#workflowId, stepId, { output: found.value, atMs: this.#nowMs() });
      return found.value;
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug("a cache look-up failed and counts as a miss", {
        workflowId: this.#workflowId,
        stepId,
        error,
      });
      return null;
    }
  }

  async #store({ key, value, ttlMs }: { key: string; value: Uint8Array; ttlMs: number }): Promise<void> {
    const { cache, signal, log } = this.#services;
    try {
      await cache.call.put({ key, value, ttlMs }, { signal, timeoutMs: CACHE_TIMEOUT_MS });
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug("an output was not cached", { workflowId: this.#workflowId, error });
    }
  }

  get #workflowId(): string {
    return this.core.definition.workflowId;
  }

  #nowMs(): number {
    return this.#services.clock.wallNow();
  }
}
