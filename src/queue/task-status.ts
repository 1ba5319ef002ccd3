import type { TaskReceipt, TaskStatus } from "./queue.protocol.ts";
import { isDeadLetter, type Task } from "./task.ts";

const NONE: readonly string[] = [];

/** What callers see of a task. */
export function statusOf(task: Task): TaskStatus {
  const { life, terms, ties } = task;
  return {
    taskId: task.taskId,
    action: terms.action,
    group: task.group,
    state: life.state,
    priority: life.priority,
    attempt: life.attempt,
    attempts: terms.attempts,
    interruptions: life.interruptions,
    progress: life.state === "completed" ? 1 : (task.progress ?? 0),
    submittedAtMs: task.submittedAtMs,
    startedAtMs: life.startedAtMs,
    endedAtMs: life.endedAtMs,
    deadlineMs: task.deadlineMs,
    notBeforeMs: life.state === "queued" ? life.notBeforeMs : null,
    blockedBy:
      life.state === "queued" && ties !== null ? Array.from(ties.blockers, ({ taskId }) => taskId) : NONE,
    workerId: life.workerId,
    tags: terms.tags,
    deadLetter: isDeadLetter(task),
    origin: task.origin,
    successor: life.successor,
    inherits: task.heir !== null,
  };
}

export function receiptOf({ task, replayed }: { task: Task; replayed: boolean }): TaskReceipt {
  return { taskId: task.taskId, state: task.life.state, replayed };
}
