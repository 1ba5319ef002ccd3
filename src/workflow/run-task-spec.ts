import { packValue } from "../codec/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { TaskSpec } from "../queue/queue.protocol.ts";
import type { RunBoard } from "./run-board.ts";
import type { RunTask } from "./run-step.ts";

const NO_INPUT = packValue(null);
/** Evaluates JSONata; built in. */
const CONDITION_ACTION = "transform";

/** What the queue is asked to do. The same each time it is asked, but for the time that is left. */
export function specOf(task: RunTask, board: RunBoard, nowMs: number): TaskSpec {
  const { priority } = task.urgency;
  const { action, timeoutMs, attempts, backoff } = workOf(task);
  // What undoes a step comes after the run's time, and after every deadline.
  const isLate = task.part === "compensate";
  const deadlineMs = isLate ? Infinity : task.urgency.deadlineMs;
  const boundMs = isLate ? timeoutMs : boundedBy(board, action, timeoutMs, nowMs);
  return {
    taskId: task.taskId,
    action,
    input: task.input ?? NO_INPUT,
    priority,
    group: board.definition.workflowId,
    ...(boundMs === undefined ? {} : { timeoutMs: boundMs }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(backoff === undefined ? {} : { backoff }),
    ...(deadlineMs === Infinity ? {} : { deadlineMs }),
    ...(board.traceparent === null ? {} : { traceparent: board.traceparent }),
  };
}

type Work = Pick<TaskSpec, "action" | "timeoutMs" | "attempts" | "backoff">;

function workOf({ part, step }: RunTask): Work {
  if (part === "when") return { action: CONDITION_ACTION, timeoutMs: LIMITS.workflow.conditionMs };
  const { compensate } = step.definition;
  if (part !== "compensate" || compensate === undefined) return step.definition;
  return { ...step.definition, action: compensate.action };
}

/** No longer than what is left of the run's time; undefined = the handler's own. */
function boundedBy(
  { deadlineMs, handlers }: RunBoard,
  action: string,
  timeoutMs: number | undefined,
  nowMs: number,
): number | undefined {
  if (deadlineMs === Infinity) return timeoutMs;
  const leftMs = Math.max(1, Math.ceil(deadlineMs - nowMs));
  const own = timeoutMs ?? handlers.timeoutMs(action);
  return leftMs < own ? leftMs : timeoutMs;
}
