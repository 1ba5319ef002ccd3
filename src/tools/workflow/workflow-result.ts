import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, runSeconds, workflowId } from "./shapes.ts";

export const workflowResult = defineTool({
  name: "workflow_result",
  title: "Result of a workflow",
  description:
    "Gives what a finished workflow produced: the output of its last steps as the result and, if asked for, of every " +
    "step. A large output is shown as a reference with its size. Before the end it says that there is no result yet.",
  input: z.strictObject({
    workflow_id: workflowId,
    include_outputs: z.boolean().default(true).describe("List the output of every step"),
    include_logs: z.boolean().default(false).describe("Add what the steps logged"),
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: z.string(),
    status: z.string().optional(),
    result: z.unknown().optional(),
    execution_time: z.number().nullable().optional(),
    outputs: z.array(z.looseObject({ step_id: z.string(), output: z.unknown() })).optional(),
    logs: z.array(z.looseObject({ step_id: z.string(), message: z.string() })).optional(),
  }),
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  echo: ["workflow_id"],
  async run({ workflow_id, include_outputs, include_logs }, { system }) {
    const { status, outputs } = await system.result(workflow_id);
    const depended = new Set(status.steps.flatMap((step) => step.dependsOn));
    const last = status.steps.filter((step) => !depended.has(step.stepId) && Object.hasOwn(outputs, step.stepId));
    return {
      workflow_id,
      status: status.state,
      result: last.length === 1 ? outputs[last[0]?.stepId ?? ""] : Object.fromEntries(last.map(({ stepId }) => [stepId, outputs[stepId]])),
      execution_time: runSeconds(status),
      ...(include_outputs && { outputs: Object.entries(outputs).map(([step_id, output]) => ({ step_id, output })) }),
      ...(include_logs && {
        logs: status.steps.flatMap(({ stepId, error }) => (error ? [{ step_id: stepId, message: error.message }] : [])),
      }),
    };
  },
});
