import type { RefOf } from "../actor/index.ts";
import { tryPack, unpackValue } from "../codec/index.ts";
import { LIMITS, fault, isCancellation, isFault } from "../errors/index.ts";
import { shortText } from "../schema/index.ts";
import type {
  RunEvent,
  RunResult,
  RunState,
  RunStatus,
  Scheduler,
  StepDefinition,
  StepState,
  StepStatus,
  WorkflowDefinition,
} from "../workflow/workflow.protocol.ts";
import type { RunFeed } from "./run-feed.ts";
import { throughRestarts } from "./through-restarts.ts";

/**
 * A workflow as a program writes it. By default its name is its id, its priority 1 (a higher number runs sooner, up to a
 * million), and a failed step has its dependents skipped; a step has no inputs, depends on nothing, takes the priority
 * of the workflow and its handler's time limit, has one attempt, and is not cached. It waits for no other workflow, and
 * has all the time and as many tasks at a time as it can use.
 */
export interface WorkflowInput extends Partial<
  Pick<
    WorkflowDefinition,
    "onFailure" | "priority" | "tags" | "metadata" | "name" | (typeof OPTIONAL)[number]
  >
> {
  /** 1 to 256 characters, unique for as long as the run is kept. */
  readonly workflowId: string;
  readonly steps: readonly (Pick<StepDefinition, "stepId" | "action"> & Partial<StepDefinition>)[];
  /**
   * W3C trace context of whoever submits it, for the handlers of its steps; no part of what makes it the same workflow.
   * One that is invalid is left out.
   */
  readonly traceparent?: string;
}

/** What a definition has only when it is asked for. */
const OPTIONAL = ["maxConcurrency", "deadlineMs", "timeoutMs", "dependencies", "idempotencyKey"] as const;

/** How a run ended. */
export interface RunOutcome {
  readonly status: RunStatus;
  /** Output of each completed step; large ones, and large parts, are a `Reference` that `system.load` reads. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** @throws WORKFLOW_INVALID listing the steps whose inputs cannot cross, or are larger than those of a task may be */
export function toDefinition(input: WorkflowInput): WorkflowDefinition {
  // Modules without types pass anything; what else is wrong with it the scheduler finds.
  const steps: WorkflowInput["steps"] = Array.isArray(input.steps) ? input.steps : [];
  const problems = [
    ...problemsOfText("workflow id", input.workflowId),
    ...problemsOfText("idempotency key", input.idempotencyKey ?? ""),
    // More than may be are not even looked at, let alone sent.
    ...(steps.length > LIMITS.workflow.steps ? [tooManySteps(steps.length)] : problemsOfAll(steps)),
  ];
  if (problems.length > 0) throw fault("WORKFLOW_INVALID", { workflowId: input.workflowId, problems });
  return {
    workflowId: input.workflowId,
    name: input.name ?? input.workflowId,
    steps: steps.map((step) => ({ inputs: {}, dependsOn: [], ...step })),
    onFailure: input.onFailure ?? "skip_dependents",
    priority: input.priority ?? 1,
    tags: input.tags ?? [],
    metadata: input.metadata ?? {},
    ...Object.fromEntries(OPTIONAL.flatMap((key) => (input[key] === undefined ? [] : [[key, input[key]]]))),
  };
}

const tooManySteps = (count: number): string =>
  `it has ${count} steps; at most ${LIMITS.workflow.steps} are allowed`;

const problemsOfAll = (steps: WorkflowInput["steps"]): string[] =>
  steps.flatMap(problemsOfInputs).slice(0, LIMITS.workflow.problems);

const problemsOfText = (what: string, value: unknown): string[] =>
  typeof value === "string" ? [] : [`the ${what} is ${shortText(value)}; allowed is a text`];

function problemsOfInputs(step: Partial<StepDefinition> | null | undefined): string[] {
  if (step?.inputs === undefined) return [];
  const { inputBytes } = LIMITS.queue;
  const packed = tryPack(step.inputs, inputBytes);
  if (packed.bytes !== undefined) return [];
  const way = packed.isTooLarge ? "larger values go by reference" : "which cannot be sent to another thread";
  return [`step ${shortText(step.stepId)}: its inputs hold ${packed.found}; ${way}`];
}

export function toOutcome({ outputs, ...status }: RunResult): RunOutcome {
  const decoded = Object.entries(outputs).map(([stepId, bytes]) => [stepId, unpackValue(bytes)] as const);
  return { status, outputs: Object.fromEntries(decoded) };
}

const RUN_ENDED: ReadonlySet<RunState> = new Set(["completed", "failed", "cancelled"]);
const STEP_ENDED: ReadonlySet<StepState> = new Set(["completed", "failed", "skipped", "cancelled"]);

export interface RunWatch {
  readonly workflowId: string;
  /** Aborting it ends the watch. */
  readonly signal: AbortSignal;
  /** Called once the first subscription stands, so that whoever submits there misses nothing. */
  readonly ready: () => Promise<RunStatus>;
}

/**
 * What happens in a run, until its end, through any number of restarts of the scheduler: when the stream breaks it is
 * taken up again, and the state that was missed is told as one event per step. The end of each step is told once, and
 * nothing of a step after its end.
 */
export async function* watchRun<E extends RunEvent>(
  scheduler: RefOf<typeof Scheduler>,
  feed: RunFeed<E>,
  { workflowId: asked, signal, ready }: RunWatch,
): AsyncGenerator<RunEvent | E> {
  const isNews = newsFilter();
  let workflowId = asked;
  const status = (): Promise<RunStatus> =>
    throughRestarts(scheduler, () => scheduler.call.status({ workflowId }), signal);
  let ask = ready;
  while (!signal.aborted) {
    const events = feed.watch(workflowId, signal);
    try {
      const found = await ask();
      ask = status;
      if (found.workflowId !== workflowId) {
        // An idempotency key has led to an earlier run.
        workflowId = found.workflowId;
        continue;
      }
      for (const event of eventsOf(found).filter(isNews)) {
        yield event;
        if (signal.aborted) return;
      }
      if (RUN_ENDED.has(found.state)) return;
      for await (const event of events) {
        if (!isNews(event)) continue;
        yield event;
        if (event.step === null && RUN_ENDED.has(event.state)) return;
      }
      return; // the signal ended it
    } catch (error) {
      if (signal.aborted && isCancellation(error)) return;
      // What has been submitted is not given up for a mailbox that has no room just now.
      const isFull = isFault(error, "MAILBOX_FULL") && ask === status;
      if (!isFull && !isFault(error, "ACTOR_RESTARTING") && !isFault(error, "EVENTS_LOST")) throw error;
      const again = isFull ? scheduler.writable({ signal }) : scheduler.ready({ signal });
      await again.catch((reason: unknown) => {
        if (!signal.aborted) throw reason;
      });
    } finally {
      await events.return();
    }
  }
}

/** Events that were under way while the state was read are older than it, and a state that is read anew repeats. */
function newsFilter(): (event: RunEvent) => boolean {
  const stages = new Map<string, number>();
  return ({ step }) => {
    if (step === null || !STEP_ENDED.has(step.state)) return step === null || !stages.has(step.stepId);
    const stage = STAGES.indexOf(step.compensation);
    if ((stages.get(step.stepId) ?? -1) >= stage) return false;
    stages.set(step.stepId, stage);
    return true;
  };
}

/** Of a step that has ended: how far undoing it is. */
const STAGES: readonly StepStatus["compensation"][] = [
  null,
  "pending",
  "running",
  "completed",
  "failed",
  "skipped",
];

/** A state as the events that would have led to it; sequence 0 says that it was read, not heard. */
function eventsOf(status: RunStatus): RunEvent[] {
  const { workflowId, state, progress } = status;
  const common = { workflowId, sequence: 0, state, progress, message: null };
  const steps = status.steps.filter((step) => step.state !== "pending");
  return [
    ...steps.map((step) => ({
      ...common,
      step,
      atMs: step.endedAtMs ?? step.startedAtMs ?? status.submittedAtMs,
    })),
    { ...common, step: null, atMs: status.endedAtMs ?? status.startedAtMs ?? status.submittedAtMs },
  ];
}
