import { join } from "node:path";
import type { Members, Protocol, Ref } from "../actor/index.ts";
import { type Reference, unpackValue } from "../codec/index.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import type { NetworkStatus } from "../peers/peers.protocol.ts";
import type { ActionInfo, QueueStats } from "../queue/queue.protocol.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import { openBlobs } from "../store/index.ts";
import {
  openSupervisor,
  type ChildHealth,
  type SpawnOptions,
  type SupervisorHandle,
} from "../supervisor/index.ts";
import type { MetricsSnapshot } from "../telemetry/index.ts";
import type { RunEvent, RunStatus, RunSummary } from "../workflow/workflow.protocol.ts";
import { ACTORS, spawnActors, type ActorName, type Actors } from "./actors.ts";
import type { BackupOptions, BackupSummary } from "./backup.ts";
import { resolveOptions, type ResolvedOptions, type SystemOptions } from "./options.ts";
import { TaskDoor } from "./task-door.ts";
import { throughRestarts } from "./through-restarts.ts";
import { reasonOf, unlessWithdrawn, withdrawn } from "./withdrawal.ts";
import { toDefinition, toOutcome, watchRun, type RunOutcome, type WorkflowInput } from "./workflow-run.ts";

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

export interface SystemHealth {
  /** Are all actors up? */
  readonly healthy: boolean;
  readonly actors: readonly ChildHealth[];
  readonly network: NetworkStatus;
}

export type { Actors };

/** Takes a run's cancellation long enough for the grace of its handlers. */
const CANCEL_MARGIN_MS = 15_000;
/** What the first question for the actions may take: a handler thread starts and loads the task modules. */
const LOAD_MODULES_MS = LIMITS.compute.startMs + LIMITS.compute.loadMs;

/**
 * The six actors under one supervisor, and the doors to them. Requests that may safely be repeated are carried
 * through restarts of the actor that answers them.
 */
export class System {
  readonly #supervisor: SupervisorHandle;
  readonly #options: ResolvedOptions;
  /** The actors themselves, for whoever wants their protocols: no method here adds a hop. */
  readonly actors: Actors;
  /** The queue as a program sees it: tasks of one's own, beside those of workflows. */
  readonly tasks: TaskDoor;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  private constructor(supervisor: SupervisorHandle, actors: Actors, options: ResolvedOptions) {
    this.#supervisor = supervisor;
    this.actors = actors;
    this.#options = options;
    this.#clock = options.supervision.simulation?.clock ?? systemClock;
    const load = (reference: Reference): Promise<unknown> => this.load(reference);
    this.tasks = new TaskDoor({ queue: actors.queue, clock: this.#clock, load });
  }

  /** @throws INVALID_ARGUMENT, STORE_OWNED, STORE_NEWER, STORE_CORRUPT, FILE_UNWRITABLE, ACTOR_START_FAILED */
  static async open(options: SystemOptions = {}): Promise<System> {
    const resolved = resolveOptions(options);
    const supervisor = openSupervisor(resolved.supervision);
    try {
      return new System(supervisor, await spawnActors(supervisor, resolved), resolved);
    } catch (error) {
      await supervisor.close();
      throw innermostStartFailure(error);
    }
  }

  /**
   * Starts an actor of one's own under the system's supervisor, which restarts it when it crashes. Resolves when its
   * setup has finished; when it rejects, nothing of the actor is left.
   *
   * @throws INVALID_ARGUMENT, NOT_A_WIRE_VALUE (`init`), ALREADY_EXISTS (the name), PROTOCOL_MISMATCH,
   *   ACTOR_START_FAILED (its cause is what setup threw), DEADLINE_EXCEEDED, ACTOR_STOPPED
   */
  spawn<M extends Members>(protocol: Protocol<M>, options: SpawnOptions<M>): Promise<Ref<M>> {
    return this.#supervisor.spawn(protocol, options);
  }

  /**
   * Ends an actor that `spawn` started, for good. Resolves when nothing of it is left; then its name is free.
   *
   * @throws INVALID_ARGUMENT for one of the six, UNKNOWN_NAME
   */
  async stopActor(name: string): Promise<void> {
    if (!(ACTORS as readonly string[]).includes(name)) return this.#supervisor.stopChild(name);
    const allowed = "an actor that spawn started: the six of the system stop with it";
    throw fault("INVALID_ARGUMENT", { argument: "name", got: `"${name}"`, allowed });
  }

  /** Ends an actor's life as a crash would, for drills; it is restarted. @throws UNKNOWN_NAME */
  kill(name: ActorName | (string & {})): Promise<void> {
    return this.#supervisor.kill(name);
  }

  /** What can run. Loads the task modules on a handler thread on first use. @throws MODULE_INVALID */
  actions(): Promise<ActionInfo[]> {
    const { queue } = this.actors;
    return throughRestarts(queue, () => queue.call.actions(undefined, { timeoutMs: LOAD_MODULES_MS }));
  }

  /**
   * Resolves when the workflow is on disk and will run to its end, whatever happens.
   *
   * @throws WORKFLOW_INVALID listing all problems, ALREADY_EXISTS (same id, other definition), MODULE_INVALID
   */
  submit(workflow: WorkflowInput): Promise<RunStatus> {
    const { scheduler } = this.actors;
    const definition = toDefinition(workflow);
    return throughRestarts(scheduler, () =>
      scheduler.call.submit({ definition }, { timeoutMs: LOAD_MODULES_MS }),
    );
  }

  /**
   * Submits, waits for the end, and returns how it ended: a failed run is an answer, not an exception. Aborting the
   * signal cancels the run and waits until nothing of it executes any more.
   *
   * @throws what `submit` throws; CANCELLED when the signal was aborted before the call, and then nothing happened, or
   *   while the submission was stuck: a run that still comes of it is cancelled as soon as it is there
   */
  async run(workflow: WorkflowInput, { signal, onEvent, onSubmitted }: RunOptions = {}): Promise<RunOutcome> {
    const { workflowId } = workflow;
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
      onSubmitted?.(status);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted) onAbort();
      return status;
    };
    try {
      for await (const event of this.#watch(workflowId, watching.signal, submitted)) onEvent?.(event);
      if (signal?.aborted) await cancelling.promise;
      return await this.result(workflowId);
    } finally {
      watching.abort();
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
    return this.#watch(workflowId, signal, () => this.status(workflowId));
  }

  /** As it is now, with every step. @throws WORKFLOW_NOT_FOUND */
  status(workflowId: string): Promise<RunStatus> {
    const { scheduler } = this.actors;
    return throughRestarts(scheduler, () => scheduler.call.status({ workflowId }));
  }

  /** What came out of a run that has ended. @throws WORKFLOW_NOT_FOUND, WORKFLOW_NOT_FINISHED */
  async result(workflowId: string): Promise<RunOutcome> {
    const { scheduler } = this.actors;
    return toOutcome(await throughRestarts(scheduler, () => scheduler.call.result({ workflowId })));
  }

  /**
   * Stops a run. Resolves when no step of it executes any more, with the run as it ended; one that has ended stays as
   * it is.
   *
   * @throws WORKFLOW_NOT_FOUND; DEADLINE_EXCEEDED when it takes more than the grace and 15 s, and it goes on then
   */
  cancel(
    workflowId: string,
    { reason = "cancelled by the caller", force = false }: CancelOptions = {},
  ): Promise<RunStatus> {
    const { scheduler } = this.actors;
    const timeoutMs = this.#options.graceMs + CANCEL_MARGIN_MS;
    return throughRestarts(scheduler, () =>
      scheduler.call.cancel({ workflowId, reason, force }, { timeoutMs }),
    );
  }

  /** Runs in the order of their submission. `limit` is 1 to 1,000, default 50. @throws INVALID_ARGUMENT */
  list(
    page: { readonly offset?: number; readonly limit?: number } = {},
  ): Promise<{ runs: RunSummary[]; total: number }> {
    const { scheduler } = this.actors;
    const { offset = 0, limit = 50 } = page;
    return throughRestarts(scheduler, () => scheduler.call.list({ offset, limit }));
  }

  /** Reads the value, or the part of one, that an output refers to. @throws BLOB_MISSING, BLOB_CORRUPT */
  async load(reference: Reference): Promise<unknown> {
    const { data } = this.#options;
    if (data === null) throw fault("BLOB_MISSING", { sha256: reference.sha256 });
    const bytes = await openBlobs({ directory: join(data, "blobs") }).get(reference.sha256);
    return reference.path.reduce<unknown>(
      (value, key) => (value as Record<string | number, unknown> | null)?.[key],
      unpackValue(bytes),
    );
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
      this.#supervisor.health(),
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

  /** Counters, gauges and histograms of all threads, read from shared memory. */
  metrics(): MetricsSnapshot {
    return this.#supervisor.metrics();
  }

  /** Rejects when the system can no longer be kept up; never resolves. */
  get failed(): Promise<never> {
    return this.#supervisor.failed;
  }

  /** Stops the actors in reverse order; running handlers get their grace. No thread is left. */
  close(): Promise<void> {
    this.#closing ??= this.#supervisor.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #watch(workflowId: string, signal: AbortSignal, ready: () => Promise<RunStatus>): AsyncGenerator<RunEvent> {
    return watchRun(this.actors.scheduler, workflowId, signal, ready);
  }
}

/** "queue could not be started: … is in use" is what its cause says in fewer words and with a code of its own. */
function innermostStartFailure(error: unknown): unknown {
  if (!isFault(error, "ACTOR_START_FAILED") || !isFault(error.cause) || error.cause.code === "DEFECT")
    return error;
  return innermostStartFailure(error.cause);
}
