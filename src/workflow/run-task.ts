import { NOWHERE } from "../order/index.ts";
import type { RunStep, RunTask, Urgency } from "./run-step.ts";
import type { TaskPart } from "./task-id.ts";

const NOT_URGENT: Urgency = { priority: 0, deadlineMs: Infinity };

export function newTask(step: RunStep, part: TaskPart, index = 0): RunTask {
  return {
    slot: NOWHERE,
    step,
    part,
    index,
    place: "new",
    taskId: "",
    generation: 0,
    input: null,
    attempt: 0,
    progress: 0,
    cacheKey: null,
    module: undefined,
    urgency: NOT_URGENT,
    askedPriority: 0,
    turn: 0,
  };
}

/** It ends only when the queue says so. */
export const isInQueue = ({ place }: RunTask): boolean => place === "queue" || place === "running";

export const isMoreUrgent = (a: Urgency, b: Urgency): boolean =>
  a.priority === b.priority ? a.deadlineMs < b.deadlineMs : a.priority > b.priority;
