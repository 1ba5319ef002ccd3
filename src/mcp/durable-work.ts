import { LIMITS } from "../errors/index.ts";

/** The extension in which the answer to a call may be a task that goes on. @see SEP-2663 */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** What a client calls a task: a run or a task of the queue, which live on disk, so that the name outlives the server. */
export interface DurableWork {
  readonly kind: "workflow" | "task";
  readonly id: string;
}

const PREFIXES = { workflow: "w.", task: "t." } as const;

const workId = ({ kind, id }: DurableWork): string => `${PREFIXES[kind]}${id}`;

/** Undefined: no work is ever called so. */
export function workOf(taskId: string): DurableWork | undefined {
  const id = taskId.slice(PREFIXES.task.length);
  if (id === "") return undefined;
  if (taskId.startsWith(PREFIXES.workflow)) return { kind: "workflow", id };
  return taskId.startsWith(PREFIXES.task) ? { kind: "task", id } : undefined;
}

/** Tools whose calls start work that goes on, and where their answers name it. */
const STARTS: Readonly<Record<string, { readonly kind: DurableWork["kind"]; readonly key: string }>> = {
  workflow_submit: { kind: "workflow", key: "workflow_id" },
  template_run: { kind: "workflow", key: "workflow_id" },
  task_submit: { kind: "task", key: "task_id" },
};

/** What a call has started; undefined: nothing that goes on. */
export function workStartedBy(
  tool: string,
  answer: Readonly<Record<string, unknown>>,
): DurableWork | undefined {
  const start = Object.hasOwn(STARTS, tool) ? STARTS[tool] : undefined;
  if (start === undefined || answer["success"] !== true) return undefined;
  const id = answer[start.key];
  return typeof id === "string" ? { kind: start.kind, id } : undefined;
}

/** A run that is paused, or being cancelled, has not ended; one that failed has a result, which says so. */
export type WorkState = "working" | "completed" | "cancelled";

/** How far it is, and why when it has failed. Times are milliseconds since 1970. */
export interface WorkStatus {
  readonly state: WorkState;
  readonly hasFailed: boolean;
  readonly message: string;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** How often a client is to ask how far a task is. */
const POLL_MS = 1_000;

/** What a client is told of a task. */
export const workView = (work: DurableWork, { state, message, createdMs, updatedMs }: WorkStatus) => ({
  taskId: workId(work),
  status: state,
  statusMessage: message,
  createdAt: new Date(createdMs).toISOString(),
  lastUpdatedAt: new Date(updatedMs).toISOString(),
  ttlMs: LIMITS.queue.keptMs,
  pollIntervalMs: POLL_MS,
});
