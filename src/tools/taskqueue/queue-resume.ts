import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { CHANGES, count, flag, ofQueue, text } from "./shapes.ts";

export const queueResume = defineTool({
  name: "queue_resume",
  title: "Resume the queue",
  description:
    "Starts tasks again after queue_pause; a queue that is not paused stays as it is. The queue keeps its order also " +
    "while it is paused, so there is nothing to reorder: reordered is false whatever reorder_by_priority says.",
  input: z.strictObject({
    reorder_by_priority: z.boolean().default(true).describe("Without effect: the order is always kept"),
  }),
  output: z.looseObject({ ...answer, status: text, resumed_at: text, queued_tasks: count, reordered: flag }),
  hints: CHANGES,
  metadata: ofQueue("p2p_queue_mgmt", 9, 10),
  echo: [],
  async run(_args, { system }) {
    const { queued } = await system.tasks.resume();
    return { status: "active", resumed_at: new Date().toISOString(), queued_tasks: queued, reordered: false };
  },
});
