import type { RefOf } from "../actor/index.ts";
import type { Queue, TaskOutcome } from "../queue/queue.protocol.ts";
import { parseTaskId } from "./task-id.ts";

/** Tasks in one answer: their outputs come with them, and one message is bounded. */
const PAGE = 200;

/** Reads the tasks of a run from the queue, by step id. */
export async function readRunTasks(
  queue: RefOf<typeof Queue>,
  workflowId: string,
  signal: AbortSignal,
): Promise<Map<string, TaskOutcome>> {
  const found = new Map<string, TaskOutcome>();
  for (let offset = 0, total = 1; offset < total; offset += PAGE) {
    const page = await queue.call.group(
      { group: workflowId, offset, limit: PAGE },
      { signal, timeoutMs: Infinity },
    );
    total = page.total;
    for (const task of page.tasks) {
      const name = parseTaskId(task.taskId);
      // Anyone may submit a task under the name of this group.
      if (name?.workflowId === workflowId) found.set(name.stepId, task);
    }
  }
  return found;
}
