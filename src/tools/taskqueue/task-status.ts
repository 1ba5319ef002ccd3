import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import {
  READS,
  executionSeconds,
  failureOf,
  logShape,
  logsOf,
  ofQueue,
  placeOf,
  placeShape,
  secondsBetween,
  taskAnswer,
  taskId,
  taskShape,
  textOrNull,
} from "./shapes.ts";

export const taskStatus = defineTool({
  name: "task_status",
  title: "Status of a task",
  description:
    "Tells where a task is in its life, its progress in percent, who has it, and its times. A queued one says how many " +
    "are ahead of it, for which tasks (blocked_by) or time (not_before) it waits; one that failed says why.",
  input: z.strictObject({
    task_id: taskId,
    include_logs: z
      .boolean()
      .default(false)
      .describe("Add what its handler logged and printed, the newest 1,000 lines"),
    include_metrics: z.boolean().default(false).describe("Add its durations and counts"),
  }),
  output: z.looseObject({
    ...answer,
    ...taskShape.partial().shape,
    ...placeShape,
    failure: textOrNull,
    logs: z.array(logShape).nullable().optional(),
    metrics: z.looseObject({}).nullable().optional(),
  }),
  hints: READS,
  metadata: ofQueue("p2p_taskqueue", 9, 10),
  echo: ["task_id"],
  async run({ task_id, include_logs, include_metrics }, { system }) {
    const task = await system.tasks.status(task_id);
    const stopped = task.state === "failed" || task.state === "cancelled";
    return {
      ...taskAnswer(task),
      ...(await placeOf(system, task)),
      failure: stopped ? failureOf(await system.tasks.result(task_id)) : null,
      logs: include_logs ? await logsOf(system, task_id) : null,
      metrics: include_metrics
        ? {
            wait_time: secondsBetween(task.submittedAtMs, task.startedAtMs),
            execution_time: executionSeconds(task),
            total_time: secondsBetween(task.submittedAtMs, task.endedAtMs),
            attempts: task.attempt,
            interruptions: task.interruptions,
            inherits_urgency: task.inherits,
          }
        : null,
    };
  },
});
