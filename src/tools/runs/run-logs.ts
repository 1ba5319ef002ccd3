import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { READS, count, flag, limit, logAnswer, logShape, offset, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, stepId, workflowId } from "../workflow/shapes.ts";
import { RUNS } from "./shapes.ts";

export const runLogs = defineTool({
  name: "run_logs",
  title: "Logs of a step",
  description:
    "Lists what the handler of a step of a workflow logged and printed, oldest first, page by page. Of a step for which " +
    "nothing ran, such as one from the cache, there is nothing.",
  input: z.strictObject({
    workflow_id: workflowId,
    step_id: stepId.describe("Id of the step"),
    index: z
      .int()
      .min(0)
      .max(LIMITS.workflow.items)
      .default(0)
      .describe("Of a step with for_each: which item, from 0"),
    limit,
    offset,
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    step_id: text,
    logs: z.array(logShape).optional(),
    total_count: count,
    returned_count: count,
    has_more: flag,
    dropped_count: count,
  }),
  hints: READS,
  metadata: RUNS,
  echo: ["workflow_id", "step_id"],
  async run({ workflow_id, step_id, index, limit: most, offset: from }, { system }) {
    const page = { index, offset: from, limit: most };
    const { lines, total, dropped } = await system.logs(workflow_id, step_id, page);
    return {
      workflow_id,
      step_id,
      logs: lines.map(logAnswer),
      total_count: total,
      returned_count: lines.length,
      has_more: from + lines.length < total,
      dropped_count: dropped,
    };
  },
});
