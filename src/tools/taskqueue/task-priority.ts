import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { CHANGES, numberOrNull, ofQueue, placeOf, priority, taskId, text } from "./shapes.ts";

export const taskPriority = defineTool({
  name: "task_priority",
  title: "Change a task's priority",
  description:
    "Gives a task that has not ended another priority, either new_priority or the present one plus delta. The queue " +
    "keeps its order at every change, so a queued task has its new place at once, whatever requeue says; a running one " +
    "has it for its next attempt.",
  input: z
    .strictObject({
      task_id: taskId,
      new_priority: priority.optional().describe("Higher runs sooner"),
      delta: z.number().optional().describe("In place of new_priority: what to add to the present one"),
      requeue: z.boolean().default(true).describe("Without effect: the order is always kept"),
    })
    .refine(
      ({ new_priority, delta }) => (new_priority === undefined) !== (delta === undefined),
      "exactly one of new_priority and delta is needed",
    ),
  output: z.looseObject({
    ...answer,
    task_id: text,
    old_priority: numberOrNull,
    new_priority: numberOrNull,
    new_queue_position: numberOrNull,
  }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: ofQueue("p2p_taskqueue", 8, 10),
  echo: ["task_id"],
  async run({ task_id, new_priority, delta = 0 }, { system }) {
    const { before, after } = await system.tasks.reprioritize(task_id, new_priority ?? { delta });
    const { queue_position } = await placeOf(system, await system.tasks.status(task_id));
    return { task_id, old_priority: before, new_priority: after, new_queue_position: queue_position };
  },
});
