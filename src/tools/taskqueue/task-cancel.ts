import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { DESTROYS, flag, ofQueue, reason, taskId, text, textOrNull } from "./shapes.ts";

export const taskCancel = defineTool({
  name: "task_cancel",
  title: "Cancel a task",
  description:
    "Stops a task. A queued one is cancelled at once. The handler of a running one is told, the task is cancelling, and " +
    "after a grace (with force: at once) the handler's thread is terminated. One that has ended otherwise is TASK_ENDED.",
  input: z.strictObject({
    task_id: taskId,
    reason: reason.describe("Becomes part of the task's error"),
    force: z.boolean().default(false).describe("Terminate a running handler without grace"),
  }),
  output: z.looseObject({
    ...answer,
    task_id: text,
    status: text,
    cancelled_at: textOrNull,
    cleanup_required: flag,
  }),
  hints: DESTROYS,
  metadata: ofQueue("p2p_taskqueue", 10, 15),
  echo: ["task_id"],
  async run({ task_id, reason: why, force }, { system }) {
    const { cancelling } = await system.tasks.cancel(task_id, { force, ...(why && { reason: why }) });
    const { state, endedAtMs } = await system.tasks.status(task_id);
    if (state === "completed" || state === "failed") {
      throw fault("TASK_ENDED", { taskId: task_id, state, wanted: "cancelled" });
    }
    return {
      task_id,
      status: state,
      cancelled_at: isoTime(endedAtMs),
      // A handler whose thread is taken away does not get to its own cleanup.
      cleanup_required: force && cancelling > 0,
    };
  },
});
