import { LIMITS, type WireError } from "../../errors/index.ts";
import type { TaskLogLine, TaskStatus } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import type { System, TaskResult } from "../../system/index.ts";
import type { ToolMetadata } from "../tool.ts";
import { isoTime, peerAnswer, percentOf } from "../workflow/shapes.ts";

const {
  nameChars,
  priority: priorityMax,
  attempts,
  timeoutMs,
  tags,
  tagChars,
  delayMs,
  reasonChars,
} = LIMITS.queue;

// --- arguments --------------------------------------------------------------------------------------------------------

const name = z.string().min(1).max(nameChars);
export const taskId = name.describe("Id of the task");
export const workerId = name.describe("Id of the worker");
export const actionName = name;
export const priority = z.number().min(-priorityMax).max(priorityMax);
const tag = z.string().min(1).max(tagChars);
export const tagList = z.array(tag).max(tags);
export const timeoutSeconds = z
  .number()
  .positive()
  .max(timeoutMs / 1_000);
export const retries = z
  .int()
  .min(0)
  .max(attempts - 1);
export const delaySeconds = z
  .number()
  .min(0)
  .max(delayMs / 1_000);
export const reason = z.string().max(reasonChars).nullish();
export const offset = z.int().min(0).default(0).describe("How many to leave out from the beginning");
export const limit = z.int().min(1).max(LIMITS.lists.pageItems).default(100).describe("How many at most");
export const confirm = z.boolean().default(false).describe("Must be true: this cannot be taken back");

export const millisecondsOf = (seconds: number): number => Math.max(1, Math.round(seconds * 1_000));

// --- answers ----------------------------------------------------------------------------------------------------------

/** Every field of an answer may be missing, since a failure has none of them. */
export const text = z.string().optional();
export const count = z.int().optional();
export const flag = z.boolean().optional();
export const numberOrNull = z.number().nullable().optional();
export const textOrNull = z.string().nullable().optional();

export const secondsBetween = (startMs: number | null, endMs: number | null): number | null =>
  startMs === null || endMs === null ? null : (endMs - startMs) / 1_000;

export const executionSeconds = ({ startedAtMs, endedAtMs }: TaskStatus): number | null =>
  secondsBetween(startedAtMs, endedAtMs);

export const taskShape = z.looseObject({
  task_id: z.string(),
  task_type: z.string(),
  status: z.string(),
  priority: z.number(),
  progress: z.number(),
  attempt: z.int(),
  max_attempts: z.int(),
  worker_id: z.string().nullable(),
  peer_id: z.string().nullable(),
  tags: z.array(z.string()),
  submitted_time: z.string(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
  deadline: z.string().nullable(),
  not_before: z.string().nullable(),
  blocked_by: z.array(z.string()),
  dead_letter: z.boolean(),
  origin: z.string().nullable(),
  successor: z.string().nullable(),
});

export function taskAnswer(task: TaskStatus): z.output<typeof taskShape> {
  return {
    task_id: task.taskId,
    task_type: task.action,
    status: task.state,
    priority: task.priority,
    progress: percentOf(task.progress),
    attempt: task.attempt,
    max_attempts: task.attempts,
    worker_id: task.workerId,
    peer_id: peerAnswer(task.workerId),
    tags: [...task.tags],
    submitted_time: new Date(task.submittedAtMs).toISOString(),
    start_time: isoTime(task.startedAtMs),
    end_time: isoTime(task.endedAtMs),
    deadline: isoTime(task.deadlineMs),
    not_before: isoTime(task.notBeforeMs),
    blocked_by: [...task.blockedBy],
    dead_letter: task.deadLetter,
    origin: task.origin,
    successor: task.successor,
  };
}

/** A page of tasks, and how it lies in the whole. */
export const pageShape = {
  tasks: z.array(taskShape).optional(),
  total_count: count,
  returned_count: count,
  has_more: flag,
};

export function pageAnswer({ tasks, total }: { tasks: readonly TaskStatus[]; total: number }, from: number) {
  return {
    tasks: tasks.map(taskAnswer),
    total_count: total,
    returned_count: tasks.length,
    has_more: from + tasks.length < total,
  };
}

export const placeShape = {
  queue_position: numberOrNull,
  queue_position_exact: flag,
  estimated_start_time: textOrNull,
};

/** Where a queued task stands; one that is not queued has no place. */
export async function placeOf(
  { tasks }: System,
  { taskId: id, state }: Pick<TaskStatus, "taskId" | "state">,
): Promise<{
  queue_position: number | null;
  queue_position_exact: boolean;
  estimated_start_time: string | null;
}> {
  if (state !== "queued")
    return { queue_position: null, queue_position_exact: true, estimated_start_time: null };
  const { ahead, exact, estimatedStartMs } = await tasks.position(id);
  return {
    queue_position: ahead,
    queue_position_exact: exact,
    estimated_start_time: isoTime(estimatedStartMs),
  };
}

export const logShape = z.looseObject({
  time: z.string(),
  attempt: z.int(),
  level: z.string(),
  message: z.string(),
  fields: z.looseObject({}),
});

export const logAnswer = ({
  atMs,
  attempt,
  level,
  message,
  fields,
}: TaskLogLine): z.output<typeof logShape> => ({
  time: new Date(atMs).toISOString(),
  attempt,
  level,
  message,
  fields: { ...fields },
});

/** The newest lines of a task's log, as many as a page has. */
export async function logsOf({ tasks }: System, id: string): Promise<z.output<typeof logShape>[]> {
  const limit = LIMITS.lists.pageItems;
  const { total } = await tasks.logs(id, { limit: 1 });
  const newest: TaskLogLine[] = [];
  for (let offset = Math.max(0, total - limit); newest.length < limit;) {
    const { lines } = await tasks.logs(id, { offset, limit: limit - newest.length });
    if (lines.length === 0) break;
    newest.push(...lines);
    offset += lines.length;
  }
  return newest.map(logAnswer);
}

/** Why a task has not completed, in one sentence. */
export const failureOf = ({ error }: Pick<TaskResult, "error">): string | null => error?.message ?? null;

export const errorAnswer = (error: WireError | null): { error: string | null; code: string | null } => ({
  error: error?.message ?? null,
  code: error?.code ?? null,
});

// --- metadata ---------------------------------------------------------------------------------------------------------

/** The tools of the queue run where its actor is. */
export const ofQueue = (
  category: "p2p_taskqueue" | "p2p_queue_mgmt" | "p2p_worker_mgmt",
  toolPriority: number,
  seconds: number,
  rest: Partial<ToolMetadata> = {},
): Partial<ToolMetadata> => ({
  category,
  runtime: "p2p",
  priority: toolPriority,
  timeoutMs: seconds * 1_000,
  ...rest,
});

/** Changes nothing. */
export const READS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
/** Adds or alters something that can be altered back. */
export const CHANGES = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
/** Ends or removes something for good. */
export const DESTROYS = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: true,
  openWorldHint: false,
};
