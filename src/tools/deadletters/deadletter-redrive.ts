import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { CHANGES, count, limit } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { CHOICE_RULE, DEAD_LETTERS, choice, choiceIsClear, chosen } from "./choice.ts";

export const deadletterRedrive = defineTool({
  name: "deadletter_redrive",
  title: "Redrive dead letters",
  description:
    "Makes a new task with the work of each dead letter that is named, or of all for which the filters hold, oldest " +
    "first. The old ones stay as they ended, name the new ones, and are no dead letters any more.",
  input: z.strictObject({ ...choice, limit }).refine(choiceIsClear, CHOICE_RULE),
  output: z.looseObject({
    ...answer,
    redriven: z.array(z.looseObject({ task_id: z.string(), new_task_id: z.string() })).optional(),
    redriven_count: count,
    remaining_count: count,
  }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: DEAD_LETTERS,
  echo: [],
  async run(args, { system }) {
    const { redriven, remaining } = await system.tasks.deadLetters.redrive(chosen(args), {
      limit: args.limit,
    });
    return {
      redriven: redriven.map(({ taskId, newTaskId }) => ({ task_id: taskId, new_task_id: newTaskId })),
      redriven_count: redriven.length,
      remaining_count: remaining,
    };
  },
});
