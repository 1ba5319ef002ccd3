import { checkNumber, checkObject, checkText, checkTexts, checkWords } from "../schema/index.ts";
import { TASK_STATES, type TaskFilter } from "./queue.protocol.ts";
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

/** @throws INVALID_ARGUMENT */
export function checkFilter(filter: TaskFilter): void {
  checkObject("filter", filter);
  const { states, workerId, action, group, tags, priorityMin } = filter;
  if (states !== undefined) checkWords("states", states, TASK_STATES);
  if (tags !== undefined) checkTexts("tags", tags);
  for (const [name, text] of Object.entries({ workerId, action, group })) {
    if (text !== undefined) checkText(name, text);
  }
  if (priorityMin !== undefined) checkNumber("priorityMin", priorityMin, -Infinity, Infinity);
}
