import { z } from "../../schema/zod-schema.ts";
import { definitionFromTool, toolWorkflowShape } from "../../workflow/template.ts";
import { CHANGES } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { ofWorkflow, submittedAnswer, submittedShape } from "./shapes.ts";

export const workflowSubmit = defineTool({
  name: "workflow_submit",
  title: "Submit a workflow",
  description:
    "Stores a workflow and starts it. Steps run as soon as the steps they depend on are done. " +
    "A string like ${{ steps.fetch.output.rows }} in a step's inputs is replaced by that output. " +
    "Returns at once; workflow_status tells how far it is, workflow_result what came out. " +
    "The same id with the same steps, or an idempotency key that was used, returns the run that is there, with replayed: true.",
  input: toolWorkflowShape,
  output: z.looseObject(submittedShape),
  hints: CHANGES,
  metadata: ofWorkflow(8, 90, { retryPolicy: "exponential", ioIntensive: true, cpuIntensive: true }),
  echo: ["workflow_id"],
  async run(args, { system, traceparent }) {
    const workflow = definitionFromTool(args);
    return submittedAnswer(await system.submit({ ...workflow, ...(traceparent && { traceparent }) }));
  },
});
