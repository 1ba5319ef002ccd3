import type { MessageContext } from "../actor/index.ts";
import { LIMITS, assert, fault, isFault } from "../errors/index.ts";
import type { TaskOutcome } from "../queue/queue.protocol.ts";
import { checkPage } from "../schema/index.ts";
import { mayPass, untilAgain } from "./again.ts";
import { contentKey } from "./content-key.ts";
import { buildDag } from "./dag.ts";
import { checkDefinition } from "./definition.ts";
import type { QueueListener } from "./queue-watch.ts";
import { RunDriver, type RunServices } from "./run-driver.ts";
import type { CancelRequest } from "./run-effect.ts";
import { readRunTasks } from "./run-tasks.ts";
import { RunCore } from "./run.core.ts";
import type { RunFilter, UnfinishedRun } from "./run.rows.ts";
import { formatTaskId, parseTaskId } from "./task-id.ts";
import type { RunResult, RunStatus, RunSummary, WorkflowDefinition } from "./workflow.protocol.ts";

/** Runs that are recovered at a time. */
const RECOVERIES = 8;
/** Loading modules of handlers for the first time takes its time. */
const ACTIONS_TIMEOUT_MS = LIMITS.compute.startMs + LIMITS.compute.loadMs;

interface Insertion {
  readonly fingerprint: string;
  readonly done: Promise<RunStatus>;
}

/** All runs of one data directory: the unfinished ones live here, the ended ones are rows. */
export class RunScheduler implements QueueListener {
  readonly #services: RunServices;
  readonly #liveRunsMax: number;
  readonly #live = new Map<string, RunDriver>();
  /** Submitted and not on disk yet. */
  readonly #inserting = new Map<string, Insertion>();
  /** Names of the handlers there are; asked for anew after the queue was away, since its modules may be others. */
  #actions: Promise<ReadonlySet<string>> | null = null;

  constructor(services: Omit<RunServices, "onEnded">, liveRunsMax: number = LIMITS.workflow.liveRuns) {
    this.#liveRunsMax = liveRunsMax;
    this.#services = { ...services, onEnded: (workflowId) => void this.#live.delete(workflowId) };
  }

  get liveRuns(): number {
    return this.#live.size;
  }

  /** Takes up every run that had not ended. Resolves when all stand where they stood. */
  async recover(runs: readonly UnfinishedRun[]): Promise<void> {
    const drivers = runs.map((run) => {
      const driver = this.#driverOf(run);
      this.#live.set(run.workflowId, driver);
      return driver;
    });
    const waiting = drivers.values();
    const recoverSome = async (): Promise<void> => {
      for (const driver of waiting) await driver.recover();
    };
    await Promise.all(Array.from({ length: RECOVERIES }, recoverSome));
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  /**
   * Resolves when the run is on disk. A caller that gives up before that may find the run submitted all the same, and
   * learns it by asking again.
   *
   * @throws WORKFLOW_INVALID, ALREADY_EXISTS (another definition under the same id), UNAVAILABLE (too many live runs)
   */
  async submit(definition: WorkflowDefinition): Promise<RunStatus> {
    const { workflowId } = definition;
    const fingerprint = contentKey(definition);
    const inserting = this.#inserting.get(workflowId);
    const known = inserting?.fingerprint ?? this.#services.rows.fingerprint(workflowId);
    if (known !== undefined && known !== fingerprint) {
      throw fault("ALREADY_EXISTS", { kind: "workflow", name: workflowId });
    }
    if (inserting) return inserting.done;
    if (known !== undefined) return this.status(workflowId);
    const done = this.#insert(definition, fingerprint).finally(() => this.#inserting.delete(workflowId));
    this.#inserting.set(workflowId, { fingerprint, done });
    return done;
  }

  /** @throws WORKFLOW_NOT_FOUND */
  async status(workflowId: string): Promise<RunStatus> {
    const driver = this.#live.get(workflowId);
    if (!driver) return this.#ended(workflowId);
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
    const status = await (driver?.ended ?? this.#ended(workflowId));
    const life = AbortSignal.any([signal, this.#services.signal]);
    const tasks = await this.#throughRestarts(
      () => readRunTasks(this.#services.queue, workflowId, life),
      life,
    );
    return { ...status, outputs: this.#outputsOf(status, tasks) };
  }

  /** Resolves with the run as it ended. @throws WORKFLOW_NOT_FOUND */
  async cancel(workflowId: string, { reason, force }: CancelRequest): Promise<RunStatus> {
    const driver = this.#live.get(workflowId);
    if (!driver) return this.#ended(workflowId);
    await driver.cancel({ reason: reason.slice(0, LIMITS.queue.reasonChars), force });
    return driver.ended;
  }

  /** @throws INVALID_ARGUMENT */
  list(filter: RunFilter): { runs: RunSummary[]; total: number } {
    checkPage(filter);
    const { rows, total } = this.#services.rows.page(filter);
    const runs = rows.flatMap(({ workflowId, state, summary }) => {
      const live = summary ?? this.#live.get(workflowId)?.core.summary();
      // A run that is still being recovered stands where its row says.
      return live ? { ...live, state } : [];
    });
    return { runs, total };
  }

  // --- what the queue tells -----------------------------------------------------------------------------------------

  subscribed(): void {
    this.#actions = null;
    for (const driver of this.#live.values()) driver.resync();
  }

  started(event: { taskId: string; attempt: number; startedAtMs: number }): void {
    this.#tell(event.taskId, (driver, stepId) => driver.started(stepId, event));
  }

  progressed({ taskId, progress, message }: { taskId: string; progress: number; message: string }): void {
    this.#tell(taskId, (driver, stepId) => driver.progressed(stepId, progress, message));
  }

  settled(outcome: TaskOutcome): void {
    this.#tell(outcome.taskId, (driver, stepId) => driver.settled(stepId, outcome));
  }

  /** Most tasks of a queue are no steps, and most steps are of runs that others wait for. */
  #tell(taskId: string, tell: (driver: RunDriver, stepId: string) => void): void {
    const name = parseTaskId(taskId);
    const driver = name && this.#live.get(name.workflowId);
    if (name && driver) tell(driver, name.stepId);
  }

  // --- parts --------------------------------------------------------------------------------------------------------

  async #insert(definition: WorkflowDefinition, fingerprint: string): Promise<RunStatus> {
    const { workflowId } = definition;
    const { rows, clock } = this.#services;
    const checked = checkDefinition(definition, await this.#knownActions());
    if (!checked.ok) throw fault("WORKFLOW_INVALID", { workflowId, problems: checked.problems });
    if (this.#live.size >= this.#liveRunsMax) {
      const why = `${this.#liveRunsMax} runs are unfinished, and no more are held at a time`;
      throw fault("UNAVAILABLE", { what: "the scheduler", why });
    }
    const submittedAtMs = clock.wallNow();
    await rows.insert({ workflowId, fingerprint, definition, submittedAtMs });
    const driver = new RunDriver(new RunCore(definition, checked.dag, submittedAtMs), this.#services);
    this.#live.set(workflowId, driver);
    const status = driver.core.status();
    driver.start(submittedAtMs);
    return status;
  }

  #driverOf({ definition, submittedAtMs, cancel }: UnfinishedRun): RunDriver {
    const graph = buildDag(definition.steps);
    assert(graph.ok, `the stored workflow "${definition.workflowId}" was checked when it came in`);
    return new RunDriver(new RunCore(definition, graph.dag, submittedAtMs), this.#services, cancel);
  }

  #knownActions(): Promise<ReadonlySet<string>> {
    const asked = (this.#actions ??= this.#askActions());
    asked.catch(() => {
      if (this.#actions === asked) this.#actions = null;
    });
    return asked;
  }

  async #askActions(): Promise<ReadonlySet<string>> {
    const { queue, signal } = this.#services;
    const options = { signal, timeoutMs: ACTIONS_TIMEOUT_MS };
    const actions = await this.#throughRestarts(() => queue.call.actions(undefined, options), signal);
    return new Set(actions.map(({ name }) => name));
  }

  #ended(workflowId: string): RunStatus {
    const status = this.#services.rows.ended(workflowId);
    if (!status) throw fault("WORKFLOW_NOT_FOUND", { workflowId });
    return status;
  }

  #outputsOf(
    { workflowId, steps }: RunStatus,
    tasks: ReadonlyMap<string, TaskOutcome>,
  ): Record<string, Uint8Array> {
    const cached = this.#services.rows.cachedOutputs(workflowId);
    const outputs: [string, Uint8Array][] = [];
    for (const { stepId, state } of steps) {
      if (state !== "completed") continue;
      const output = cached.get(stepId)?.output ?? tasks.get(stepId)?.output;
      if (!output) {
        throw fault("TASK_NOT_FOUND", {
          taskId: formatTaskId({ workflowId, stepId, index: 0, generation: 0 }),
        });
      }
      outputs.push([stepId, output]);
    }
    return Object.fromEntries(outputs);
  }

  /** Asks the queue until it answers, or says for good that it will not. */
  async #throughRestarts<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { queue, clock } = this.#services;
    for (let tries = 0; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (signal.aborted || !mayPass(error) || isFault(error, "DEADLINE_EXCEEDED")) throw error;
        await untilAgain(queue, error, tries, { clock, signal });
      }
    }
  }
}
