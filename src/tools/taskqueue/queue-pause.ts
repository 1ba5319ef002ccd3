import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { CHANGES, count, ofQueue, reason, text, textOrNull } from "./shapes.ts";

export const queuePause = defineTool({
  name: "queue_pause",
  title: "Pause the queue",
  description:
    "Starts no task from now on, those of workflow steps included; what runs goes on to its end, and submits are " +
    "accepted. Holds until queue_resume, also through a restart.",
  input: z.strictObject({ reason: reason.describe("Shown in the figures and in explanations") }),
  output: z.looseObject({
    ...answer,
    status: text,
    paused_at: textOrNull,
    queued_tasks: count,
    running_tasks: count,
  }),
  hints: CHANGES,
  metadata: ofQueue("p2p_queue_mgmt", 9, 10),
  echo: [],
  async run({ reason: why }, { system }) {
    const { sinceMs, queued, running } = await system.tasks.pause(why ? { reason: why } : {});
    return { status: "paused", paused_at: isoTime(sinceMs), queued_tasks: queued, running_tasks: running };
  },
});
