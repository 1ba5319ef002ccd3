import { z } from "../../schema/zod-schema.ts";
import { CHANGES, reason } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { runAnswer, workflowId } from "../workflow/shapes.ts";
import { RUNS, changedRun } from "./shapes.ts";

export const runPause = defineTool({
  name: "run_pause",
  title: "Pause a workflow",
  description:
    "Lets no further step of a workflow start until run_resume; what runs goes on to its end, retries included. It is on " +
    "disk when this answers. Its deadline goes on meanwhile.",
  input: z.strictObject({ workflow_id: workflowId, reason: reason.describe("Kept with the pause") }),
  output: changedRun,
  hints: CHANGES,
  metadata: RUNS,
  echo: ["workflow_id"],
  async run({ workflow_id, reason: why }, { system }) {
    return runAnswer(await (why ? system.pause(workflow_id, why) : system.pause(workflow_id)));
  },
});
