import { z } from "../../schema/zod-schema.ts";
import { definitionFromTool, toolWorkflowShape } from "../../workflow/template.ts";
import { defineTool } from "../tool.ts";
import { answer } from "./shapes.ts";

export const workflowSubmit = defineTool({
  name: "workflow_submit",
  title: "Submit a workflow",
  description:
    "Stores a workflow and starts it. Steps run as soon as the steps they depend on are done. " +
    "A string like ${{ steps.fetch.output.rows }} in a step's inputs is replaced by that output. " +
    "Returns at once; workflow_status tells how far it is, workflow_result what came out. " +
    "The same id with the same steps, or an idempotency key that was used, returns the run that is there, with replayed: true.",
  input: toolWorkflowShape,
  output: z.looseObject({
    ...answer,
    workflow_id: z.string().optional(),
    status: z.string().optional(),
    peer_assigned: z.string().nullable().optional(),
    estimated_start_time: z.string().nullable().optional(),
    replayed: z.boolean().optional(),
    message: z.string().optional(),
  }),
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  echo: ["workflow_id"],
  async run(args, { system }) {
    const status = await system.submit(definitionFromTool(args));
    const count = status.steps.length === 1 ? "1 step" : `${status.steps.length} steps`;
    return {
      workflow_id: status.workflowId,
      // The run of an earlier call, which may be anywhere, is told apart from a new one by its state.
      status: status.state,
      peer_assigned: "local",
      estimated_start_time: null,
      replayed: status.replayed,
      message: `${count} on disk; ask workflow_status for their progress`,
    };
  },
});
