import { LIMITS, fault } from "../errors/index.ts";
import type { TaskLogLine } from "../queue/queue.protocol.ts";
import { parseTaskId, type RunStatus } from "../workflow/index.ts";
import type { TaskDoor, TaskPage } from "./task-door.ts";

export interface StepLogOptions extends TaskPage {
  /** Of a step that fans out: which item, from 0; default 0. */
  readonly index?: number;
}

export interface StepLogPage {
  /** Oldest first. */
  readonly lines: readonly TaskLogLine[];
  readonly total: number;
  /** Lines that had to go. */
  readonly dropped: number;
}

const NOTHING: StepLogPage = { lines: [], total: 0, dropped: 0 };
/** Steps that a refusal names. */
const KNOWN_MAX = 20;

/**
 * What the handler of a step logged and printed, in its attempts since the last pause of the run; nothing of a step for
 * which nothing ran.
 *
 * @throws UNKNOWN_NAME when the run has no such step
 */
export async function logsOfStep(
  { workflowId, steps }: RunStatus,
  stepId: string,
  { index = 0, ...page }: StepLogOptions,
  tasks: Pick<TaskDoor, "list" | "logs">,
): Promise<StepLogPage> {
  if (!steps.some((step) => step.stepId === stepId)) {
    const known = steps.slice(0, KNOWN_MAX).map((step) => step.stepId);
    throw fault("UNKNOWN_NAME", { kind: "step", name: stepId, known });
  }
  const limit = LIMITS.lists.pageItems;
  let latest: { taskId: string; generation: number } | undefined;
  for (let offset = 0, total = 1; offset < total; offset += limit) {
    const found = await tasks.list({ group: workflowId, offset, limit });
    total = found.total;
    for (const { taskId } of found.tasks) {
      const task = parseTaskId(taskId);
      if (task?.stepId !== stepId || task.part !== "run" || task.index !== index) continue;
      if (latest === undefined || task.generation > latest.generation)
        latest = { taskId, generation: task.generation };
    }
  }
  return latest === undefined ? NOTHING : tasks.logs(latest.taskId, page);
}
