import { LIMITS, fault } from "../errors/index.ts";
import { cutText } from "../schema/index.ts";
import type { Clock } from "../scope/index.ts";
import { validTraceparent } from "../telemetry/index.ts";
import { contentKey } from "./content-key.ts";
import type { Dag } from "./dag.ts";
import { checkDefinition } from "./definition.ts";
import type { Durations } from "./durations.ts";
import type { HandlerBook } from "./handler-book.ts";
import { RunHandlers, type KnownHandlers, type RememberedHandlers } from "./run-handlers.ts";
import { WHOLE, type KeptOutput, type KeptOutputs } from "./run-memory.ts";
import { nextRunId, planRerun, rerunDefinition } from "./rerun.ts";
import type { RunRetention } from "./run-retention.ts";
import type { RunRow, RunRows } from "./run.rows.ts";
import type { RunStatus, SubmittedRun, WorkflowDefinition, StepDefinition } from "./workflow.protocol.ts";

export interface IntakeServices {
  readonly rows: RunRows;
  readonly clock: Clock;
  readonly handlers: HandlerBook;
  readonly durations: Durations;
  readonly retention: RunRetention;
  readonly liveRunsMax: number;
  /** Called when the first expression comes. Says what is wrong with the syntax of one. */
  readonly loadExpressions: () => Promise<(text: string) => string | undefined>;
  /** No handler is known here: whether there is one for each action shows in another life. */
  readonly idle: boolean;
  /** Of all runs, how many have not ended? */
  liveRuns(): number;
  /** @throws WORKFLOW_NOT_FOUND */
  status(workflowId: string): Promise<RunStatus>;
  isLive(workflowId: string): boolean;
  /** Outputs of the completed steps of a run that has ended, of those that are wanted. */
  outputsOf(
    status: RunStatus,
    isWanted: (stepId: string) => boolean,
  ): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Makes the large values young that an output names, which a row is about to name. */
  touch(output: Uint8Array): Promise<void>;
  /** The run is on disk. Returns its status before it starts. */
  begin(run: NewRun, dag: Dag, handlers: RunHandlers, kept: KeptOutputs): RunStatus;
}

/** A run that is on disk. */
export type NewRun = Omit<RunRow, "work" | "handlers">;

interface Rerun {
  readonly workflowId: string;
  readonly as?: string;
  readonly from?: readonly string[];
}

const NOTHING_KEPT: KeptOutputs = new Map();

/** A run that is to be checked and stored. */
type Insertable = Pick<RunRow, "definition" | "fingerprint" | "work" | "origin" | "traceparent">;

interface Insertion {
  readonly fingerprint: string;
  readonly work: string;
  readonly done: Promise<RunStatus>;
}

/** The way in: a run is there already, or is checked and stored. */
export class RunIntake {
  readonly #services: IntakeServices;
  /** Submitted and not on disk yet: by id, and by idempotency key. */
  readonly #inserting = new Map<string, Insertion>();
  readonly #insertingByKey = new Map<string, Insertion & { readonly workflowId: string }>();

  constructor(services: IntakeServices) {
    this.#services = services;
  }

  /**
   * Resolves when the run is on disk. A caller that gives up before that may find the run submitted all the same, and
   * learns it by asking again.
   *
   * @param traceparent of the request, and no part of what is compared: what is there already keeps its own
   * @throws WORKFLOW_INVALID, ALREADY_EXISTS (another definition under the same id), IDEMPOTENCY_CONFLICT, UNAVAILABLE
   *   (too many live runs)
   */
  async submit(definition: WorkflowDefinition, traceparent?: string): Promise<SubmittedRun> {
    const { workflowId, idempotencyKey: key } = definition;
    const fingerprint = contentKey(definition);
    const work = typeof key === "string" ? contentKey({ ...definition, workflowId: "" }) : "";
    const first = this.#ofId(workflowId, fingerprint) ?? (key && this.#ofKey(key, work));
    if (first) return { ...(await first), replayed: true };
    const run = { definition, fingerprint, work, origin: null, traceparent: traceOf(traceparent) };
    return this.#take(
      run,
      this.#insert(run, () => Promise.resolve(NOTHING_KEPT)),
    );
  }

  /**
   * Resolves when the new run is on disk, with all that it takes over.
   *
   * @param traceparent of the request; without one the run is part of the trace of its origin
   * @throws WORKFLOW_NOT_FOUND, WORKFLOW_NOT_FINISHED, INVALID_ARGUMENT, TASK_NOT_FOUND (an output that is to be taken
   *   over is gone), ALREADY_EXISTS (another run under the id that was given), and what `submit` throws
   */
  async rerun({ workflowId: origin, as, from }: Rerun, traceparent?: string): Promise<SubmittedRun> {
    const { rows, status, isLive, clock } = this.#services;
    const ended = await status(origin);
    if (isLive(origin)) throw fault("WORKFLOW_NOT_FINISHED", { workflowId: origin, state: ended.state });
    const stored = rows.definition(origin);
    if (!stored) throw fault("WORKFLOW_NOT_FOUND", { workflowId: origin });
    const plan = planRerun(ended, stored.definition, from);
    const isTaken = (id: string): boolean => this.#inserting.has(id) || rows.fingerprint(id) !== undefined;
    const workflowId = as ?? nextRunId(origin, stored.origin, isTaken);
    const definition = rerunDefinition(stored.definition, { workflowId, isLive, nowMs: clock.wallNow() });
    // Not that of the definition alone: what it takes over makes it another run.
    const fingerprint = contentKey({
      workflow: { ...stored.definition, workflowId },
      origin,
      again: plan.again,
    });
    const first = this.#ofId(workflowId, fingerprint);
    if (first) return { ...(await first), replayed: true };
    const trace = traceOf(traceparent) ?? stored.traceparent;
    const run = { definition, fingerprint, work: "", origin, traceparent: trace };
    return this.#take(
      run,
      this.#insert(run, () => this.#takeOver(ended, plan.reused)),
    );
  }

  /** From now on the run is known, though not yet on disk. */
  async #take(run: Insertable, inserted: Promise<RunStatus>): Promise<SubmittedRun> {
    const { workflowId, idempotencyKey: key } = run.definition;
    const done = inserted.finally(() => {
      this.#inserting.delete(workflowId);
      if (key !== undefined) this.#insertingByKey.delete(key);
    });
    const insertion = { fingerprint: run.fingerprint, work: run.work, done };
    this.#inserting.set(workflowId, insertion);
    if (key !== undefined) this.#insertingByKey.set(key, { ...insertion, workflowId });
    return { ...(await done), replayed: false };
  }

  async #takeOver(origin: RunStatus, stepIds: readonly string[]): Promise<KeptOutputs> {
    if (stepIds.length === 0) return NOTHING_KEPT;
    const wanted = new Set(stepIds);
    const outputs = await this.#services.outputsOf(origin, (id) => wanted.has(id));
    for (const output of outputs.values()) await this.#services.touch(output);
    const atMs = this.#services.clock.wallNow();
    const whole = (output: Uint8Array): KeptOutput => ({ output, atMs, reused: true });
    return new Map(Array.from(outputs, ([stepId, output]) => [stepId, new Map([[WHOLE, whole(output)]])]));
  }

  #ofId(workflowId: string, fingerprint: string): Promise<RunStatus> | undefined {
    const inserting = this.#inserting.get(workflowId);
    const known = inserting?.fingerprint ?? this.#services.rows.fingerprint(workflowId);
    if (known === undefined) return undefined;
    if (known === fingerprint) return inserting?.done ?? this.#services.status(workflowId);
    throw fault("ALREADY_EXISTS", { kind: "workflow", name: workflowId, differs: "definition" });
  }

  #ofKey(key: string, work: string): Promise<RunStatus> | undefined {
    const inserting = this.#insertingByKey.get(key);
    const known = inserting ?? this.#services.rows.ofKey(key);
    if (known === undefined) return undefined;
    const { workflowId } = known;
    if (known.work === work) return inserting?.done ?? this.#services.status(workflowId);
    throw fault("IDEMPOTENCY_CONFLICT", { key, workflowId });
  }

  async #insert(run: Insertable, takeOver: () => Promise<KeptOutputs>): Promise<RunStatus> {
    const { definition, fingerprint, work, origin, traceparent } = run;
    const { workflowId } = definition;
    const { rows, clock, handlers, retention, loadExpressions, idle } = this.#services;
    const known = await handlers.ask();
    const isRun = (id: string): boolean => rows.fingerprint(id) !== undefined;
    const context = idle ? { isRun } : { actions: await this.#actionsFor(definition, known), isRun };
    const checked = checkDefinition(
      definition,
      hasCondition(definition) ? { ...context, checkExpression: await loadExpressions() } : context,
    );
    if (!checked.ok) {
      // What is wrong about it may be its length.
      const shown = cutText(workflowId, LIMITS.workflow.idChars);
      throw fault("WORKFLOW_INVALID", { workflowId: shown, problems: checked.problems });
    }
    this.#makeSureOfRoom();
    await retention.gone(workflowId);
    const kept = await takeOver();
    const submittedAtMs = clock.wallNow();
    const remembered = this.#remember(definition, known);
    const stored = { workflowId, fingerprint, definition, submittedAtMs, origin, traceparent };
    await rows.insert({ ...stored, work, handlers: remembered }, kept);
    return this.#services.begin(stored, checked.dag, new RunHandlers(remembered, known), kept);
  }

  /** What its steps may name: handlers of the queue, and what workers outside take. */
  async #actionsFor(
    { steps }: WorkflowDefinition,
    known: NonNullable<KnownHandlers>,
  ): Promise<Pick<ReadonlySet<string>, "has" | "keys">> {
    const foreign = new Set<string>();
    // Nothing of the definition has been checked yet.
    for (const step of Array.isArray(steps) ? (steps as (StepDefinition | null)[]) : []) {
      for (const action of [step?.action, step?.compensate?.action]) {
        if (typeof action === "string" && !known.has(action)) foreign.add(action);
      }
    }
    if (foreign.size === 0 || foreign.size > FOREIGN_MAX) return known;
    return new Set([...known.keys(), ...(await this.#services.handlers.elsewhere([...foreign]))]);
  }

  #makeSureOfRoom(): void {
    const { liveRunsMax, liveRuns } = this.#services;
    if (liveRuns() < liveRunsMax) return;
    const why = `${liveRunsMax} runs are unfinished, and no more are held at a time`;
    throw fault("UNAVAILABLE", { what: "the scheduler", why });
  }

  #remember({ steps }: WorkflowDefinition, known: NonNullable<KnownHandlers>): RememberedHandlers {
    const remembered: Record<string, RememberedHandlers[string]> = {};
    const names = steps.flatMap(({ action, compensate }) => [
      action,
      ...(compensate ? [compensate.action] : []),
    ]);
    for (const action of names) {
      const handler = known.get(action);
      remembered[action] ??= {
        ...(handler && { sha256: handler.moduleSha256 }),
        expectedMs: this.#services.durations.expectedMs(action),
      };
    }
    return remembered;
  }
}

const traceOf = (traceparent: string | undefined): string | null => validTraceparent(traceparent) ?? null;

/** Actions of one workflow that the queue has no handlers for, and others may have. */
const FOREIGN_MAX = 1_000;

/** Looked at before anything is checked. */
const hasCondition = ({ steps }: WorkflowDefinition): boolean =>
  Array.isArray(steps) && steps.some((step: StepDefinition | null) => step?.when !== undefined);

/** Unfinished runs at a time, unless it is said otherwise. */
export const LIVE_RUNS = LIMITS.workflow.liveRuns;
