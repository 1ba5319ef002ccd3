import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import {
  CHANGES,
  count,
  millisecondsOf,
  numberOrNull,
  ofQueue,
  placeOf,
  retries,
  taskId,
  text,
  timeoutSeconds,
} from "./shapes.ts";

export const taskRetry = defineTool({
  name: "task_retry",
  title: "Retry a task",
  description:
    "Makes a new task with the work of one that failed or was cancelled, under the id `<id>-retry-<n>`. The old one " +
    "stays as it ended and names the new one as its successor.",
  input: z.strictObject({
    task_id: taskId.describe("Id of the task that failed or was cancelled"),
    retry_config: z
      .strictObject({
        max_retries: retries.optional().describe("Of the new task; default: as before"),
        timeout: timeoutSeconds.optional().describe("Seconds that one attempt may take; default: as before"),
      })
      .default({}),
  }),
  output: z.looseObject({
    ...answer,
    task_id: text,
    retry_task_id: text,
    retry_count: count,
    queue_position: numberOrNull,
  }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: ofQueue("p2p_taskqueue", 8, 15, { retryPolicy: "exponential" }),
  echo: ["task_id"],
  async run({ task_id, retry_config: { max_retries, timeout } }, { system, traceparent }) {
    const { taskId: newId, retries: retryCount } = await system.tasks.retry(task_id, {
      ...(max_retries !== undefined && { attempts: max_retries + 1 }),
      ...(timeout !== undefined && { timeoutMs: millisecondsOf(timeout) }),
      ...(traceparent && { traceparent }),
    });
    const { queue_position } = await placeOf(system, await system.tasks.status(newId));
    return { task_id, retry_task_id: newId, retry_count: retryCount, queue_position };
  },
});
