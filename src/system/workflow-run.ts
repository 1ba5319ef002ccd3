import type { RefOf } from "../actor/index.ts";
import { unpackValue } from "../codec/index.ts";
import { isCancellation, isFault } from "../errors/index.ts";
import type {
  RunEvent,
  RunResult,
  RunState,
  RunStatus,
  Scheduler,
  StepDefinition,
  StepState,
  WorkflowDefinition,
} from "../workflow/workflow.protocol.ts";
import { throughRestarts } from "./through-restarts.ts";

/**
 * A workflow as a program writes it. By default its name is its id, its priority 1 (a higher number runs sooner, up to a
 * million), and a failed step has its dependents skipped; a step has no inputs, depends on nothing, takes the priority
 * of the workflow and its handler's time limit, has one attempt, and is not cached.
 */
export interface WorkflowInput extends Partial<
  Pick<WorkflowDefinition, "onFailure" | "priority" | "tags" | "metadata" | "name">
> {
  /** 1 to 256 characters, unique for as long as the run is kept. */
  readonly workflowId: string;
  readonly steps: readonly (Pick<StepDefinition, "stepId" | "action"> & Partial<StepDefinition>)[];
}

/** How a run ended. */
export interface RunOutcome {
  readonly status: RunStatus;
  /** Output of each completed step; large ones, and large parts, are a `Reference` that `system.load` reads. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

export function toDefinition(input: WorkflowInput): WorkflowDefinition {
  return {
    workflowId: input.workflowId,
    name: input.name ?? input.workflowId,
    steps: input.steps.map((step) => ({ inputs: {}, dependsOn: [], ...step })),
    onFailure: input.onFailure ?? "skip_dependents",
    priority: input.priority ?? 1,
    tags: input.tags ?? [],
    metadata: input.metadata ?? {},
  };
}

export function toOutcome({ outputs, ...status }: RunResult): RunOutcome {
  const decoded = Object.entries(outputs).map(([stepId, bytes]) => [stepId, unpackValue(bytes)] as const);
  return { status, outputs: Object.fromEntries(decoded) };
}

const RUN_ENDED: ReadonlySet<RunState> = new Set(["completed", "failed", "cancelled"]);
const STEP_ENDED: ReadonlySet<StepState> = new Set(["completed", "failed", "skipped", "cancelled"]);

/**
 * What happens in a run, until its end, through any number of restarts of the scheduler: when the stream breaks it is
 * taken up again, and the state that was missed is told as one event per step. The end of each step is told once, and
 * nothing of a step after its end.
 *
 * The caller subscribes before it submits, so `ready` is called once the first subscription stands.
 */
export async function* watchRun(
  scheduler: RefOf<typeof Scheduler>,
  workflowId: string,
  signal: AbortSignal,
  ready: () => Promise<RunStatus>,
): AsyncGenerator<RunEvent> {
  const isNews = newsFilter();
  const status = (): Promise<RunStatus> =>
    throughRestarts(scheduler, () => scheduler.call.status({ workflowId }), signal);
  let ask = ready;
  while (!signal.aborted) {
    const events = scheduler.on.changed({ signal });
    try {
      const found = await ask();
      ask = status;
      for (const event of eventsOf(found).filter(isNews)) {
        yield event;
        if (signal.aborted) return;
      }
      if (RUN_ENDED.has(found.state)) return;
      for await (const event of events) {
        if (event.workflowId !== workflowId || !isNews(event)) continue;
        yield event;
        if (event.step === null && RUN_ENDED.has(event.state)) return;
      }
      return; // the signal ended it
    } catch (error) {
      if (signal.aborted && isCancellation(error)) return;
      if (!isFault(error, "ACTOR_RESTARTING") && !isFault(error, "EVENTS_LOST")) throw error;
      await scheduler.ready({ signal }).catch((reason: unknown) => {
        if (!signal.aborted) throw reason;
      });
    } finally {
      await events.return?.();
    }
  }
}

/** Events that were under way while the state was read are older than it, and a state that is read anew repeats. */
function newsFilter(): (event: RunEvent) => boolean {
  const ended = new Set<string>();
  return ({ step }) => {
    if (step === null) return true;
    if (ended.has(step.stepId)) return false;
    if (STEP_ENDED.has(step.state)) ended.add(step.stepId);
    return true;
  };
}

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
