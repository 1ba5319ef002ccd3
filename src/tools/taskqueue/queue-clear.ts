import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { DESTROYS, confirm, count, ofQueue, text } from "./shapes.ts";

const CLEARED = ["queued", "completed", "failed", "cancelled"] as const;

export const queueClear = defineTool({
  name: "queue_clear",
  title: "Clear the queue",
  description:
    "Cancels the queued tasks and forgets the ended ones, all that do not run or those of one state. Forgotten tasks are " +
    "gone with their results and their place among the dead letters, and their ids are free. Needs confirm: true.",
  input: z.strictObject({
    status_filter: z
      .enum(CLEARED)
      .nullish()
      .describe("Only tasks of this state; default: all that do not run"),
    confirm,
  }),
  output: z.looseObject({ ...answer, cleared_count: count, remaining_count: count, cleared_at: text }),
  hints: DESTROYS,
  metadata: ofQueue("p2p_queue_mgmt", 10, 20),
  echo: [],
  refuse({ confirm: confirmed }, { confirmation }) {
    if (!confirmed) throw fault("CONFIRMATION_REQUIRED", { what: "clearing the queue", how: confirmation });
  },
  async preview({ status_filter }, { system }) {
    const stats = await system.tasks.stats();
    const meant = CLEARED.filter((state) => !status_filter || state === status_filter);
    const counts = meant.map((state) => `${stats[state]} ${state}`).join(", ");
    return `At most these would be cancelled or forgotten: ${counts}; ended steps of workflows stay.`;
  },
  async run({ status_filter }, { system }) {
    const { cleared, remaining } = await system.tasks.clear(status_filter ? [status_filter] : CLEARED);
    return { cleared_count: cleared, remaining_count: remaining, cleared_at: new Date().toISOString() };
  },
});
