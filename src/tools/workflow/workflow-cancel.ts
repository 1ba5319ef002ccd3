import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { DESTROYS, count, reason, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, countOf, ofWorkflow, workflowId } from "./shapes.ts";

export const workflowCancel = defineTool({
  name: "workflow_cancel",
  title: "Cancel a workflow",
  description:
    "Stops a workflow and answers when nothing of it runs any more. Steps that have not started are cancelled at once; " +
    "running handlers are told, and after a grace (with force: at once) their threads are terminated. What has " +
    "completed is undone where its step says how, unless by force. One that has ended otherwise is WORKFLOW_ENDED.",
  input: z.strictObject({
    workflow_id: workflowId,
    reason: reason.describe("Becomes part of the error of the workflow and its steps"),
    force: z.boolean().default(false).describe("Terminate running handlers without grace, and undo nothing"),
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    status: text,
    cancelled_steps: count,
    message: text,
  }),
  hints: DESTROYS,
  metadata: ofWorkflow(10, 20),
  echo: ["workflow_id"],
  async run({ workflow_id, reason: why, force }, { system }) {
    const run = await system.cancel(workflow_id, { force, ...(why && { reason: why }) });
    const { state } = run;
    if (state === "completed" || state === "failed")
      throw fault("WORKFLOW_ENDED", { workflowId: workflow_id, state, wanted: "cancelled" });
    const cancelled = countOf(run, (step) => step.state === "cancelled");
    const completed = countOf(run, (step) => step.state === "completed");
    const undoing = state === "cancelled" ? "" : "; what they did is still to be undone";
    return {
      workflow_id,
      status: state,
      cancelled_steps: cancelled,
      message: `${cancelled} of ${run.stepsTotal} steps were cancelled, ${completed} had completed${undoing}`,
    };
  },
});
