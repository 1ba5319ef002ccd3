import { assert } from "../errors/index.ts";
import { stepTable } from "../lifecycle/index.ts";
import { invalidArgument } from "../schema/index.ts";
import { buildDag, type Dag } from "./dag.ts";
import { describeDag, type DagDescription } from "./dag-description.ts";
import { whatIf, type DagChange, type DagComparison } from "./dag-simulation.ts";
import { UNKNOWN_MS } from "./run-handlers.ts";
import type { RunStatus, StepStatus } from "./workflow.protocol.ts";

/** The steps of a run as a graph with durations. A pure function of the run's status. */
interface RunPlan {
  readonly dag: Dag;
  /**
   * Of each step by number. One that has ended took the time from its first start to its end, and 0 when nothing ran for
   * it. Of one that has not, what the steps of the run that took time and have the same action took on average; where
   * there is none, one second.
   */
  readonly durationsMs: Float64Array;
  /** Steps that have not ended, in the order of the definition: their durations are a guess. */
  readonly estimated: readonly string[];
}

function planOfRun({ workflowId, steps }: Pick<RunStatus, "workflowId" | "steps">): RunPlan {
  const graph = buildDag(steps);
  assert(graph.ok, `the steps of the workflow "${workflowId}" were checked when it came in`);
  const means = meansOf(steps);
  return {
    dag: graph.dag,
    durationsMs: Float64Array.from(steps, (step) =>
      hasEnded(step) ? tookMs(step) : (means.get(step.action) ?? UNKNOWN_MS),
    ),
    estimated: steps.filter((step) => !hasEnded(step)).map(({ stepId }) => stepId),
  };
}

export interface RunDescription extends DagDescription, Pick<RunPlan, "estimated"> {}

/** The graph of a run with its times, states and critical path. */
export function describeRun(run: Pick<RunStatus, "workflowId" | "steps">): RunDescription {
  const { dag, durationsMs, estimated } = planOfRun(run);
  const about = (_: string, at: number): Partial<Pick<StepStatus, "action" | "state">> => {
    const step = run.steps[at];
    return step ? { action: step.action, state: step.state } : {};
  };
  return { ...describeDag(dag, { durationsMs, about }), estimated };
}

export interface RunChange extends DagChange {
  /** Steps by id that take so many times as long; after `durationsMs`. */
  readonly factors?: Iterable<readonly [stepId: string, factor: number]>;
}

/**
 * Plays a run through from its beginning, and again with a change.
 *
 * @param workers how many steps run at a time
 * @throws INVALID_ARGUMENT
 */
export function whatIfRun(
  run: Pick<RunStatus, "workflowId" | "steps">,
  workers: number,
  { factors = [], durationsMs: given = [], ...change }: RunChange,
): DagComparison & Pick<RunPlan, "estimated"> {
  const { dag, durationsMs, estimated } = planOfRun(run);
  const changed = new Map(given);
  for (const [stepId, factor] of factors) {
    const at = dag.indexOf(stepId);
    if (at === undefined) throw invalidArgument("factors", `"${stepId}"`, "ids of the graph's steps");
    changed.set(stepId, (changed.get(stepId) ?? durationsMs[at] ?? 0) * factor);
  }
  return { ...whatIf(dag, { durationsMs, workers }, { ...change, durationsMs: changed }), estimated };
}

const hasEnded = ({ state }: StepStatus): boolean => stepTable.isTerminal(state);

const tookMs = ({ startedAtMs, endedAtMs }: StepStatus): number =>
  startedAtMs === null || endedAtMs === null ? 0 : Math.max(0, endedAtMs - startedAtMs);

/** By action, of the steps that ran. */
function meansOf(steps: readonly StepStatus[]): ReadonlyMap<string, number> {
  const sums = new Map<string, { sumMs: number; count: number }>();
  for (const step of steps) {
    if (step.startedAtMs === null || step.endedAtMs === null) continue;
    const sum = sums.get(step.action) ?? { sumMs: 0, count: 0 };
    sums.set(step.action, { sumMs: sum.sumMs + tookMs(step), count: sum.count + 1 });
  }
  return new Map(Array.from(sums, ([action, { sumMs, count }]) => [action, sumMs / count]));
}
