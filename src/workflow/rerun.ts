import { assert } from "../errors/index.ts";
import { invalidArgument } from "../schema/index.ts";
import { buildDag, type Dag } from "./dag.ts";
import type { RunStatus, StepStatus, WorkflowDefinition } from "./workflow.protocol.ts";

/** What a rerun does anew, and what it takes over; ids of steps in the order of the definition. */
export interface RerunPlan {
  readonly again: readonly string[];
  readonly reused: readonly string[];
}

/**
 * Steps that did not complete run again, and those that are named; with them everything that waits for one of them.
 *
 * @param from undefined = none is named
 * @throws INVALID_ARGUMENT when a step is named that there is not, or nothing would run
 */
export function planRerun(
  { steps }: RunStatus,
  definition: WorkflowDefinition,
  from: readonly string[] | undefined,
): RerunPlan {
  const graph = buildDag(definition.steps);
  assert(graph.ok, `the stored workflow "${definition.workflowId}" was checked when it came in`);
  const { dag } = graph;
  const first = [...named(from ?? [], dag), ...steps.filter(mustRunAgain).map(({ stepId }) => stepId)];
  if (first.length === 0) {
    throw invalidArgument("from", "missing", "steps to run again: all of them have completed");
  }
  const again = downstream(dag, first);
  const ids = definition.steps.map(({ stepId }) => stepId);
  return { again: ids.filter((id) => again.has(id)), reused: ids.filter((id) => !again.has(id)) };
}

/** What was undone is to be done again, and so is what may have been undone in part. */
const mustRunAgain = ({ state, compensation }: StepStatus): boolean =>
  state !== "completed" || (compensation !== null && compensation !== "skipped");

/** Its callers may be plain JavaScript. */
function named(from: unknown, dag: Dag): string[] {
  if (!Array.isArray(from)) throw invalidArgument("from", typeof from, "a list of ids of steps");
  return from.map((id: unknown) => {
    if (typeof id === "string" && dag.indexOf(id) !== undefined) return id;
    throw invalidArgument("from", JSON.stringify(id) ?? "undefined", "ids of steps of the workflow");
  });
}

/** These steps, and all that wait for one of them. */
function downstream(dag: Dag, stepIds: readonly string[]): Set<string> {
  const found = new Set(stepIds.flatMap((id) => dag.indexOf(id) ?? []));
  // It grows while it is gone through, so each step is looked at once.
  for (const at of found) for (const after of dag.dependents(at)) found.add(after);
  return new Set(Array.from(found, (at) => dag.idOf(at)));
}

/**
 * The definition of a rerun: without the key of the first run, without a deadline that has passed, and without waiting
 * for workflows that have ended, whatever their end.
 */
export function rerunDefinition(
  definition: WorkflowDefinition,
  { workflowId, nowMs, isLive }: { workflowId: string; nowMs: number; isLive(id: string): boolean },
): WorkflowDefinition {
  const { idempotencyKey: _, deadlineMs, dependencies = [], ...rest } = definition;
  const live = dependencies.filter(isLive);
  return {
    ...rest,
    workflowId,
    ...(deadlineMs !== undefined && deadlineMs > nowMs ? { deadlineMs } : {}),
    ...(live.length > 0 ? { dependencies: live } : {}),
  };
}

/** `x` -> `x~2`, `x~3`, …; only what was made by a rerun is numbered on, since anyone may have an id that looks so. */
export function nextRunId(
  workflowId: string,
  origin: string | null,
  isTaken: (id: string) => boolean,
): string {
  const root = origin === null ? workflowId : workflowId.replace(/~\d+$/, "");
  for (let number = 2; ; number++) if (!isTaken(`${root}~${number}`)) return `${root}~${number}`;
}
