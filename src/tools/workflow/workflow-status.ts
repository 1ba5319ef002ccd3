import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, failureOf, isoTime, runSeconds, stepAnswer, stepShape, workflowId } from "./shapes.ts";

export const workflowStatus = defineTool({
  name: "workflow_status",
  title: "Status of a workflow",
  description:
    "Tells how far a workflow is: its state, its progress in percent, and each step with its state and times.",
  input: z.strictObject({
    workflow_id: workflowId,
    include_steps: z.boolean().default(true).describe("List the steps"),
    include_metrics: z.boolean().default(false).describe("Add counts of steps and times"),
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: z.string().optional(),
    status: z.string().optional(),
    progress: z.number().min(0).max(100).optional(),
    current_step: z.string().nullable().optional(),
    peer_id: z.string().nullable().optional(),
    start_time: z.string().nullable().optional(),
    end_time: z.string().nullable().optional(),
    failure: z.string().nullable().optional(),
    steps: z.array(stepShape).optional(),
    metrics: z.looseObject({}).optional(),
  }),
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  echo: ["workflow_id"],
  async run({ workflow_id, include_steps, include_metrics }, { system }) {
    const run = await system.status(workflow_id);
    const count = (state: string): number => run.steps.filter((step) => step.state === state).length;
    return {
      workflow_id,
      status: run.state,
      progress: Math.round(run.progress * 10_000) / 100,
      current_step: run.steps.find((step) => step.state === "running")?.stepId ?? null,
      peer_id: "local",
      start_time: isoTime(run.startedAtMs),
      end_time: isoTime(run.endedAtMs),
      failure: failureOf(run),
      ...(include_steps && { steps: run.steps.map(stepAnswer) }),
      ...(include_metrics && {
        metrics: {
          total_steps: run.steps.length,
          completed_steps: count("completed"),
          failed_steps: count("failed"),
          skipped_steps: count("skipped"),
          running_steps: count("running"),
          cached_steps: run.steps.filter((step) => step.cached).length,
          execution_time: runSeconds(run),
        },
      }),
    };
  },
});
