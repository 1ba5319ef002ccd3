import { join } from "node:path";
import type { Members, Protocol, Ref } from "../actor/index.ts";
import { Reference, unpackValue } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { NetworkStatus } from "../peers/network.protocol.ts";
import type { ActionInfo, QueueStats } from "../queue/queue.protocol.ts";
import { checkText, checkTexts, ownMember } from "../schema/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import { openBlobs, type BlobStore, type Collected } from "../store/index.ts";
import type { ChildHealth, SpawnOptions } from "../supervisor/index.ts";
import type { MetricsSnapshot } from "../telemetry/index.ts";
import type {
  RunEvent,
  RunHistoryPage,
  RunEnd,
  RunResult,
  RunState,
  RunStatus,
  RunSummary,
  SubmittedRun,
} from "../workflow/workflow.protocol.ts";
import { alertsOf, checkThresholds, type Alert, type Thresholds } from "./alerts.ts";
import { ACTORS, type ActorName, type Actors } from "./actors.ts";
import { SharedDirectory } from "./attach/shared-directory.ts";
import type { BackupOptions, BackupSummary } from "./backup.ts";
import { CacheDoor } from "./cache-door.ts";
import type { Foundation, Role } from "./foundation.ts";
import { resolveOptions, type ResolvedOptions, type SystemOptions } from "./options.ts";
import { openAlone } from "./own-actors.ts";
import { PeerDoor } from "./peer-door.ts";
import { RunFeed } from "./run-feed.ts";
import { logsOfStep, type StepLogOptions, type StepLogPage } from "./step-logs.ts";
import { TaskDoor } from "./task-door.ts";
import { traceOf } from "./task-request.ts";
import { throughRestarts } from "./through-restarts.ts";
import { VitalSigns } from "./vitals.ts";
import { reasonOf, unlessWithdrawn, withdrawn } from "./withdrawal.ts";
import {
  toDefinition,
  toOutcome,
  watchRun,
  type RunOutcome,
  type RunWatch,
  type WorkflowInput,
} from "./workflow-run.ts";

export interface CancelOptions {
  /** Becomes part of the error of every step; default "cancelled by the caller". */
  readonly reason?: string;
  /** Terminates running handlers at once instead of after their grace; default false. */
  readonly force?: boolean;
}

export interface RunOptions {
  /** Aborting it cancels the run and waits until it is quiet. */
  readonly signal?: AbortSignal;
  /** Told once, when the run is on disk. */
  readonly onSubmitted?: (status: RunStatus) => void;
  /** Told what happens, in order. */
  readonly onEvent?: (event: RunEvent) => void;
}

export interface RunFilter {
  /** In one of these states; default: in any. */
  readonly states?: readonly RunState[];
  /** With every one of these tags; default: with any. */
  readonly tags?: readonly string[];
  /** Of which this worker had an attempt, as `workerIds` tells: `local`, `peer:` and an id; default: any, or none. */
  readonly worker?: string;
  /** Of which this peer had one; `local`: of which a worker here had one, or nobody yet. Default: any. */
  readonly peer?: string;
  /** From 0, which is the default. */
  readonly offset?: number;
  /** 1 to 1,000; default 50. */
  readonly limit?: number;
}

export interface SystemHealth {
  /** Are all actors up? */
  readonly healthy: boolean;
  readonly actors: readonly ChildHealth[];
  readonly network: NetworkStatus;
}

export type { Actors };

/** Why a watch ends when all is known; without a reason each would make an exception of its own. */
const WATCHED = "the run has ended";
/** Takes a run's cancellation long enough for the grace of its handlers. */
const CANCEL_MARGIN_MS = 15_000;
/** What the first question for the actions may take: a handler thread starts and loads the task modules. */
const LOAD_MODULES_MS = LIMITS.compute.startMs + LIMITS.compute.loadMs;

/**
 * The eight actors under one supervisor, and the doors to them. Requests that may safely be repeated are carried
 * through restarts of the actor that answers them.
 */
export class System {
  readonly #foundation: Foundation;
  readonly #options: ResolvedOptions;
  /** The actors themselves, for whoever wants their protocols: no method here adds a hop. */
  readonly actors: Actors;
  /** The queue as a program sees it: tasks of one's own, beside those of workflows. */
  readonly tasks: TaskDoor;
  /** Results kept under keys, as a program sees them. */
  readonly cache: CacheDoor;
  /** Other nodes: who they are, what they may do here, and where tasks of this system may go. */
  readonly peers: PeerDoor;
  readonly #clock: Clock;
  /** Null: nothing is on disk. */
  readonly #blobs: BlobStore | null;
  readonly #events: RunFeed;
  /** For those who want nothing but the end. */
  readonly #ends: RunFeed<RunEnd>;
  readonly #vitals: VitalSigns;
  #closing: Promise<void> | undefined;

  private constructor(foundation: Foundation, options: ResolvedOptions) {
    this.#foundation = foundation;
    const { actors } = foundation;
    this.actors = actors;
    this.#options = options;
    this.#clock = options.supervision.simulation?.clock ?? systemClock;
    this.#events = new RunFeed("changed", actors.scheduler.on.changed);
    this.#ends = new RunFeed("ended", actors.scheduler.on.ended);
    const { data } = options;
    this.#vitals = new VitalSigns(actors, data);
    this.#blobs = data === null ? null : openBlobs({ directory: join(data, "blobs") });
    const load = (reference: Reference): Promise<unknown> => this.load(reference);
    this.peers = new PeerDoor({ ...actors, clock: this.#clock });
    this.cache = new CacheDoor(actors.cache, this.#clock, this.#blobs);
    this.tasks = new TaskDoor({ queue: actors.queue, clock: this.#clock, blobs: this.#blobs, load });
  }

  /** @throws as `openSystem` */
  static async open(options: SystemOptions = {}): Promise<System> {
    const resolved = resolveOptions(options);
    const { data, attach } = resolved;
    const foundation =
      attach && data !== null ? await SharedDirectory.open(resolved, data) : await openAlone(resolved);
    return new System(foundation, resolved);
  }

  /** Whose actors answer: this process's own, or, with `attach`, those of the process that owns the directory. */
  get role(): Role {
    return this.#foundation.role;
  }

  /**
   * Starts an actor of one's own under the system's supervisor, which restarts it when it crashes. Resolves when its
   * setup has finished; when it rejects, nothing of the actor is left.
   *
   * @throws INVALID_ARGUMENT, NOT_A_WIRE_VALUE (`init`), ALREADY_EXISTS (the name), PROTOCOL_MISMATCH,
   *   ACTOR_START_FAILED (its cause is what setup threw), DEADLINE_EXCEEDED, ACTOR_STOPPED; UNAVAILABLE in a guest
   */
  spawn<M extends Members>(protocol: Protocol<M>, options: SpawnOptions<M>): Promise<Ref<M>> {
    return this.#foundation.spawn(protocol, options);
  }

  /**
   * Ends an actor that `spawn` started, for good. Resolves when nothing of it is left; then its name is free.
   *
   * @throws INVALID_ARGUMENT for one of the eight, UNKNOWN_NAME; UNAVAILABLE in a guest
   */
  async stopActor(name: string): Promise<void> {
    if (!(ACTORS as readonly string[]).includes(name)) return this.#foundation.stopChild(name);
    const allowed = "an actor that spawn started: the eight of the system stop with it";
    throw fault("INVALID_ARGUMENT", { argument: "name", got: `"${name}"`, allowed });
  }

  /** Ends an actor's life as a crash would, for drills; it is restarted. @throws UNKNOWN_NAME; UNAVAILABLE in a guest */
  kill(name: ActorName | (string & {})): Promise<void> {
    return this.#foundation.kill(name);
  }

  /** What can run. Loads the task modules on a handler thread on first use. @throws MODULE_INVALID */
  actions(): Promise<ActionInfo[]> {
    const { queue } = this.actors;
    return throughRestarts(queue, () => queue.call.actions(undefined, { timeoutMs: LOAD_MODULES_MS }));
  }

  /**
   * Resolves when the workflow is on disk and will run to its end, whatever happens.
   *
   * @throws WORKFLOW_INVALID listing all problems, ALREADY_EXISTS (same id, other definition), IDEMPOTENCY_CONFLICT (same
   *   key, other work), MODULE_INVALID
   */
  async submit(workflow: WorkflowInput): Promise<SubmittedRun> {
    const { scheduler } = this.actors;
    const definition = toDefinition(workflow);
    const options = { timeoutMs: LOAD_MODULES_MS, ...traceOf(workflow) };
    return throughRestarts(scheduler, () => scheduler.call.submit({ definition }, options));
  }

  /**
   * Submits, waits for the end, and returns how it ended: a failed run is an answer, not an exception. Aborting the
   * signal cancels the run and waits until nothing of it executes any more.
   *
   * @throws what `submit` throws; CANCELLED when the signal was aborted before the call, and then nothing happened, or
   *   while the submission was stuck: a run that still comes of it is cancelled as soon as it is there
   */
  async run(workflow: WorkflowInput, { signal, onEvent, onSubmitted }: RunOptions = {}): Promise<RunOutcome> {
    // An idempotency key may lead to an earlier run.
    let { workflowId } = workflow;
    const what = `workflow "${workflowId}"`;
    if (signal?.aborted) throw withdrawn(what, signal);
    const watching = new AbortController();
    const cancelling = Promise.withResolvers<RunStatus>();
    cancelling.promise.catch(() => watching.abort()); // a run that cannot be cancelled is not waited for
    const onAbort = (): void => {
      cancelling.resolve(this.cancel(workflowId, { reason: reasonOf(signal) }));
    };
    const submitted = async (): Promise<RunStatus> => {
      const undo = (): Promise<RunStatus> => this.cancel(workflowId, { reason: reasonOf(signal) });
      const status = await unlessWithdrawn(this.submit(workflow), { what, signal, clock: this.#clock, undo });
      workflowId = status.workflowId;
      onSubmitted?.(status);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted) onAbort();
      return status;
    };
    try {
      const watch = { workflowId, signal: watching.signal, ready: submitted };
      if (onEvent) for await (const event of this.#watch(this.#events, watch)) onEvent(event);
      const end = onEvent ? null : await this.#endOf(watch);
      if (signal?.aborted) await cancelling.promise;
      return end === null ? await this.result(workflowId) : toOutcome(end);
    } finally {
      watching.abort(WATCHED);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * What happens in a run that has been submitted, from its present state to its end, through any restart. Leaving the
   * loop, or aborting the signal, only stops watching.
   *
   * @throws WORKFLOW_NOT_FOUND
   */
  watch(workflowId: string, signal: AbortSignal = new AbortController().signal): AsyncGenerator<RunEvent> {
    return this.#watch(this.#events, { workflowId, signal, ready: () => this.status(workflowId) });
  }

  /** As it is now, with every step. @throws WORKFLOW_NOT_FOUND */
  status(workflowId: string): Promise<RunStatus> {
    const { scheduler } = this.actors;
    return throughRestarts(scheduler, () => {
      checkText("workflowId", workflowId);
      return scheduler.call.status({ workflowId });
    });
  }

  /** What came out of a run that has ended. @throws WORKFLOW_NOT_FOUND, WORKFLOW_NOT_FINISHED */
  async result(workflowId: string): Promise<RunOutcome> {
    const { scheduler } = this.actors;
    checkText("workflowId", workflowId);
    return toOutcome(await throughRestarts(scheduler, () => scheduler.call.result({ workflowId })));
  }

  /**
   * Stops a run. Resolves when no step of it executes any more, with the run as it ended; one that has ended stays as
   * it is.
   *
   * @throws WORKFLOW_NOT_FOUND; DEADLINE_EXCEEDED when it takes more than the grace and 15 s, and it goes on then
   */
  async cancel(
    workflowId: string,
    { reason = "cancelled by the caller", force = false }: CancelOptions = {},
  ): Promise<RunStatus> {
    const { scheduler } = this.actors;
    checkText("workflowId", workflowId);
    checkText("reason", reason);
    const timeoutMs = this.#foundation.graceMs + CANCEL_MARGIN_MS;
    return throughRestarts(scheduler, () =>
      scheduler.call.cancel({ workflowId, reason, force }, { timeoutMs }),
    );
  }

  /**
   * No further step of the run starts until it is resumed; what runs goes on. Resolves when that is on disk.
   *
   * @throws WORKFLOW_NOT_FOUND; WORKFLOW_ENDED when it has ended or is being cancelled
   */
  pause(workflowId: string, reason = "paused by the caller"): Promise<RunStatus> {
    const { scheduler } = this.actors;
    return throughRestarts(scheduler, () => scheduler.call.pause({ workflowId, reason }));
  }

  /** One that is not paused stays as it is. @throws WORKFLOW_NOT_FOUND, WORKFLOW_ENDED */
  resume(workflowId: string): Promise<RunStatus> {
    const { scheduler } = this.actors;
    return throughRestarts(scheduler, () => scheduler.call.resume({ workflowId }));
  }

  /**
   * A new run of the same workflow. What completed in the first one, and does not wait for anything that is to run again,
   * is taken over with its output.
   *
   * @param options.as id of the new run; default: the first one's with `~2`, or the next number that is free. With an id,
   *   asking again is safe
   * @param options.from steps to run again; default: all that did not complete
   * @param options.traceparent W3C trace context of whoever asks for it; default: that of the first one
   * @throws WORKFLOW_NOT_FOUND, WORKFLOW_NOT_FINISHED, INVALID_ARGUMENT, ALREADY_EXISTS, and what `submit` throws
   */
  rerun(
    workflowId: string,
    options: { readonly as?: string; readonly from?: readonly string[]; readonly traceparent?: string } = {},
  ): Promise<SubmittedRun> {
    const { scheduler } = this.actors;
    const { traceparent: _, ...rerun } = options;
    const how = { timeoutMs: LOAD_MODULES_MS, ...traceOf(options) };
    const ask = (): Promise<SubmittedRun> => scheduler.call.rerun({ workflowId, ...rerun }, how);
    return options.as === undefined ? ask() : throughRestarts(scheduler, ask);
  }

  /** What happened in a run, oldest first. `limit` is 1 to 1,000, default 100. @throws WORKFLOW_NOT_FOUND, INVALID_ARGUMENT */
  history(
    workflowId: string,
    page: { readonly offset?: number; readonly limit?: number } = {},
  ): Promise<RunHistoryPage> {
    const { scheduler } = this.actors;
    const { offset = 0, limit = 100 } = page;
    return throughRestarts(scheduler, () => scheduler.call.history({ workflowId, offset, limit }));
  }

  /**
   * What the handler of a step logged and printed. `limit` is 1 to 1,000, default 100.
   *
   * @throws WORKFLOW_NOT_FOUND, UNKNOWN_NAME (the step), INVALID_ARGUMENT
   */
  async logs(workflowId: string, stepId: string, options: StepLogOptions = {}): Promise<StepLogPage> {
    return logsOfStep(await this.status(workflowId), stepId, options, this.tasks);
  }

  /** Runs in the order of their submission, and how many there are in all. @throws INVALID_ARGUMENT */
  async list(filter: RunFilter = {}): Promise<{ runs: RunSummary[]; total: number }> {
    const { scheduler } = this.actors;
    const { offset = 0, limit = 50, ...conditions } = filter;
    const { worker, peer, ...lists } = conditions;
    if (worker !== undefined) checkText("worker", worker);
    if (peer !== undefined) checkText("peer", peer);
    for (const [name, texts] of Object.entries(lists)) if (texts !== undefined) checkTexts(name, texts);
    return throughRestarts(scheduler, () => scheduler.call.list({ ...conditions, offset, limit }));
  }

  /**
   * Reads the value, or the part of one, that an output refers to; undefined when it has no such part.
   *
   * @throws BLOB_MISSING when it has left with the task or run that it came from; BLOB_CORRUPT, FILE_UNREADABLE
   */
  async load(reference: Reference): Promise<unknown> {
    if (this.#blobs === null) throw fault("BLOB_MISSING", { sha256: reference.sha256 });
    const bytes = await this.#blobs.get(reference.sha256);
    let value = unpackValue(bytes);
    for (const [walked, key] of reference.path.entries()) {
      if (value instanceof Reference) return this.load(value.at(...reference.path.slice(walked)));
      value = ownMember(value, key)?.value;
    }
    return value;
  }

  /** Counts of tasks by state, and of what was committed since the queue was opened. */
  queueStats(): Promise<QueueStats> {
    const { queue } = this.actors;
    return throughRestarts(queue, () => queue.call.stats());
  }

  /** Asks every actor; one that does not answer within 2 s is shown without its own report. */
  async health(): Promise<SystemHealth> {
    const { peers } = this.actors;
    const [actors, network] = await Promise.all([
      this.#foundation.health(),
      throughRestarts(peers, () => peers.call.status()),
    ]);
    return { healthy: actors.every(({ state }) => state === "running"), actors, network };
  }

  /**
   * Makes a copy of everything durable in a directory that is empty or does not exist, while work goes on. What was
   * acknowledged before the call is in it, and `mcplusplus restore` makes a data directory of it. The directory has its
   * name when all of it is on disk.
   *
   * @throws DIRECTORY_NOT_EMPTY, FILE_UNWRITABLE, INVALID_ARGUMENT (a place in the data directory), STORE_FULL,
   *   STORE_FAILED, CANCELLED, ACTOR_STOPPED; nothing is left of it then
   */
  async backup(directory: string, options: BackupOptions = {}): Promise<BackupSummary> {
    // Checks with zod, which no system needs to run.
    const { backupSystem } = await import("./backup-system.ts");
    return backupSystem(this.actors, this.#options, directory, options);
  }

  /**
   * Removes the large values that no task, run or cached result names any more, and that are older than ten minutes and
   * than every attempt that runs. It happens by itself once an hour.
   *
   * @throws UNAVAILABLE while a backup is made, and where nothing is on disk or the system is idle; FILE_UNREADABLE,
   *   STORE_FAILED, STORE_FULL. Nothing that is named has been removed then.
   */
  collect(): Promise<Collected> {
    const { scheduler } = this.actors;
    return throughRestarts(scheduler, () => scheduler.call.collect(undefined, { timeoutMs: Infinity }));
  }

  /**
   * What is worth a word about the machine, the process, the tools and the work. It holds as long as what it is about does.
   *
   * @param thresholds in place of those of the table (`ALERT_RULES`); a value at its threshold is none
   * @throws UNKNOWN_NAME, INVALID_ARGUMENT
   */
  async alerts(thresholds: Thresholds = {}): Promise<Alert[]> {
    const checked = checkThresholds(thresholds);
    return alertsOf(await this.#vitals.look(), checked);
  }

  /** Counters, gauges and histograms of all threads of this process, read from shared memory. */
  metrics(): MetricsSnapshot {
    return this.#foundation.metrics();
  }

  /** Rejects when the system can no longer be kept up, or a guest finds no owner it fits to; never resolves. */
  get failed(): Promise<never> {
    return this.#foundation.failed;
  }

  /** Stops the actors in reverse order; running handlers get their grace. No thread is left. A guest only leaves. */
  close(): Promise<void> {
    this.cache.close();
    this.#closing ??= this.#foundation.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #watch<E extends RunEvent>(feed: RunFeed<E>, watch: RunWatch): AsyncGenerator<RunEvent | E> {
    return watchRun(this.actors.scheduler, feed, watch);
  }

  /** What came out of a run, once it has ended; null: that is to be asked for. */
  async #endOf(watch: RunWatch): Promise<RunResult | null> {
    let result: RunResult | null = null;
    for await (const event of this.#watch(this.#ends, watch)) if ("result" in event) ({ result } = event);
    return result;
  }
}
