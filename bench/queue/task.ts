import { packValue } from "mcplusplus";
import { taskMessage } from "../actor/task-message.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";

export const TASKS = new URL("./noop.tasks.ts", import.meta.url);
/** What the queue's own handlers do not offer: a task that asks for it waits until a worker comes from outside. */
export const ELSEWHERE = "elsewhere";

/** The task that the rivals get too, packed as a caller would pack it. */
export const task = (taskId: string, index: number): TaskSpec => ({
  taskId,
  action: "noop",
  input: packValue(taskMessage(index)),
});

export const waitingTask = (taskId: string, index: number): TaskSpec => ({
  ...task(taskId, index),
  requires: [ELSEWHERE],
});
