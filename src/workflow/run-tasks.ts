import type { RefOf } from "../actor/index.ts";
import type { Queue, TaskOutcome } from "../queue/queue.protocol.ts";
import { parseTaskId } from "./task-id.ts";

/** Tasks in one answer: their outputs come with them, and one message is bounded. */
const PAGE = 200;

/** Reads the tasks of a run from the queue, by name (`formatTaskName`). */
export async function readRunTasks(
  queue: RefOf<typeof Queue>,
  workflowId: string,
  signal: AbortSignal,
): Promise<Map<string, TaskOutcome>> {
  const found = new Map<string, TaskOutcome>();
  for (let offset = 0, total = 1; offset < total;) {
    const page = await queue.call.group(
      { group: workflowId, offset, limit: PAGE },
      { signal, timeoutMs: Infinity },
    );
    total = page.total;
    // A page of large outputs ends early.
    offset += Math.max(1, page.tasks.length);
    for (const task of page.tasks) {
      // Anyone may submit a task under the name of this group.
      if (parseTaskId(task.taskId)?.workflowId !== workflowId) continue;
      const name = task.taskId.slice(0, task.taskId.lastIndexOf("/"));
      found.set(name, task);
    }
  }
  return found;
}
