import type { TaskFilter } from "./queue.protocol.ts";
import { isDeadLetter, type Task } from "./task.ts";

export function matches(task: Task, filter: TaskFilter): boolean {
  const { states, workerId, action, group, tags, priorityMin, deadLetter } = filter;
  const { life, terms } = task;
  return (
    (states === undefined || states.includes(life.state)) &&
    (workerId === undefined || life.workerId === workerId) &&
    (action === undefined || terms.action === action) &&
    (group === undefined || task.group === group) &&
    (tags === undefined || tags.every((tag) => terms.tags.includes(tag))) &&
    (priorityMin === undefined || life.priority >= priorityMin) &&
    (deadLetter === undefined || isDeadLetter(task) === deadLetter)
  );
}
