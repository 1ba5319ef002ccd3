import { untilAnswered, type RefOf } from "../actor/index.ts";
import { packValue, unpackValue } from "../codec/index.ts";
import { fault } from "../errors/index.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import type { Patience } from "../scope/index.ts";
import { WHOLE } from "./run-memory.ts";
import { readRunTasks } from "./run-tasks.ts";
import type { RunRows } from "./run.rows.ts";
import { formatTaskId, formatTaskName } from "./task-id.ts";
import type { RunResult, RunStatus, StepStatus } from "./workflow.protocol.ts";

export interface ResultServices {
  readonly queue: RefOf<typeof Queue>;
  readonly rows: RunRows;
}

/** Finds the output of a task of a step; undefined when there is none. */
type Find = (stepId: string, item: number) => Uint8Array | undefined;

/**
 * What came out of a run that has ended.
 *
 * @throws WORKFLOW_NOT_FOUND when it leaves meanwhile; TASK_NOT_FOUND when a queue in memory has lost an output
 */
export async function resultOf(
  status: RunStatus,
  services: ResultServices,
  patience: Patience,
): Promise<RunResult> {
  const outputs = await readOutputs(status, () => true, services, patience);
  return { ...status, outputs: Object.fromEntries(outputs) };
}

/**
 * Outputs of the completed steps of a run that has ended, of those that are wanted.
 *
 * @throws as `resultOf`
 */
export async function readOutputs(
  { workflowId, steps }: RunStatus,
  isWanted: (stepId: string) => boolean,
  { queue, rows }: ResultServices,
  patience: Patience,
): Promise<Map<string, Uint8Array>> {
  const read = (): ReturnType<typeof readRunTasks> => readRunTasks(queue, workflowId, patience.signal);
  const tasks = await untilAnswered(queue, read, patience);
  // It has left meanwhile, and its tasks with it.
  if (rows.fingerprint(workflowId) === undefined) throw fault("WORKFLOW_NOT_FOUND", { workflowId });
  const kept = rows.keptOutputs(workflowId);
  const find: Find = (stepId, item) => {
    const name = formatTaskName({ workflowId, stepId, part: "run", index: Math.max(0, item) });
    return kept.get(stepId)?.get(item)?.output ?? tasks.get(name)?.output ?? undefined;
  };
  const outputs = new Map<string, Uint8Array>();
  for (const step of steps) {
    if (step.state !== "completed" || !isWanted(step.stepId)) continue;
    const output = step.items === null ? find(step.stepId, WHOLE) : joinOf(step, step.items, find);
    if (!output) throw lost(workflowId, step.stepId);
    outputs.set(step.stepId, output);
  }
  return outputs;
}

/** Items that failed, where that was ignored, have null in their places. */
function joinOf(
  { stepId }: StepStatus,
  { total, failed }: NonNullable<StepStatus["items"]>,
  find: Find,
): Uint8Array | undefined {
  const packed = Array.from({ length: total }, (_, item) => find(stepId, item));
  if (packed.filter((each) => each === undefined).length > failed) return undefined;
  return packValue(packed.map((each) => (each === undefined ? null : unpackValue(each))));
}

const lost = (workflowId: string, stepId: string): Error =>
  fault("TASK_NOT_FOUND", {
    taskId: formatTaskId({ workflowId, stepId, part: "run", index: 0, generation: 0 }),
  });
