import type { Blocker } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { snakeCase } from "../snake-case.ts";
import { defineTool } from "../tool.ts";
import { READS, taskId, text } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN } from "./quota-shapes.ts";

export const taskExplain = defineTool({
  name: "task_explain",
  title: "Explain why a task does not run",
  description:
    "Says what keeps a task from running, the first thing first: a dependency, a time, a pause, no worker that can or " +
    "has room, a quota, or tasks that are ahead of it. With the first removed the next may show.",
  input: z.strictObject({ task_id: taskId }),
  output: z.looseObject({
    ...answer,
    task_id: text,
    explanation: z.array(z.string()).optional(),
    blockers: z.array(z.looseObject({ cause: z.string() })).optional(),
    order: text,
    ordering_key: z.array(z.number().nullable()).optional(),
    inherited_from: z.string().nullable().optional(),
  }),
  hints: READS,
  metadata: ADMIN,
  echo: ["task_id"],
  async run({ task_id }, { system }) {
    const { blockers, ordering, sentences } = await system.tasks.explain(task_id);
    return {
      task_id,
      explanation: [...sentences],
      blockers: blockers.map(blockerAnswer),
      order: ordering.by,
      // JSON has no infinity: a task without a deadline has null there.
      ordering_key: ordering.key.map((part) => (Number.isFinite(part) ? part : null)),
      inherited_from: ordering.inheritedFrom,
    };
  },
});

/** Moments become ISO-8601, and keys the case that tools have: `untilMs` is `until`, `taskIds` is `task_ids`. */
function blockerAnswer(blocker: Blocker): { cause: string; [key: string]: unknown } {
  const fields = Object.entries(blocker).map(([key, value]: [string, unknown]) =>
    key.endsWith("Ms")
      ? [key.slice(0, -2), new Date(value as number).toISOString()]
      : [snakeCase(key), value],
  );
  return { ...(Object.fromEntries(fields) as Record<string, unknown>), cause: blocker.cause };
}
