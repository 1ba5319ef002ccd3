import { z } from "../../schema/zod-schema.ts";
import { CHANGES } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { runAnswer, workflowId } from "../workflow/shapes.ts";
import { RUNS, changedRun } from "./shapes.ts";

export const runResume = defineTool({
  name: "run_resume",
  title: "Resume a workflow",
  description: "Lets a paused workflow go on where it stood. One that is not paused stays as it is.",
  input: z.strictObject({ workflow_id: workflowId }),
  output: changedRun,
  hints: CHANGES,
  metadata: RUNS,
  echo: ["workflow_id"],
  async run({ workflow_id }, { system }) {
    return runAnswer(await system.resume(workflow_id));
  },
});
