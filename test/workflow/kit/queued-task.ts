import type { TaskOutcome } from "../../../src/queue/queue.protocol.ts";

/** A task as the queue shows one that has just been submitted. */
export const QUEUED: Omit<TaskOutcome, "taskId" | "action" | "group" | "submittedAtMs"> = {
  state: "queued",
  priority: 1,
  attempt: 0,
  attempts: 1,
  interruptions: 0,
  progress: 0,
  startedAtMs: null,
  endedAtMs: null,
  deadlineMs: null,
  notBeforeMs: null,
  blockedBy: [],
  workerId: null,
  tags: [],
  deadLetter: false,
  origin: null,
  successor: null,
  inherits: false,
  output: null,
  error: null,
};
