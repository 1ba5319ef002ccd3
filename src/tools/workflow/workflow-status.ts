import { z } from "../../schema/zod-schema.ts";
import { READS } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import {
  answer,
  countOf,
  ofWorkflow,
  runAnswer,
  runSeconds,
  runShape,
  stepAnswer,
  stepShape,
  workflowId,
} from "./shapes.ts";

export const workflowStatus = defineTool({
  name: "workflow_status",
  title: "Status of a workflow",
  description:
    "Tells how far a workflow is: its state, its progress in percent, and each step with its state and times. One that " +
    "waits for other workflows names them; one that failed says why.",
  input: z.strictObject({
    workflow_id: workflowId,
    include_steps: z.boolean().default(true).describe("List the steps"),
    include_metrics: z.boolean().default(false).describe("Add counts of steps and times"),
  }),
  output: z.looseObject({
    ...answer,
    ...runShape.partial().shape,
    current_step: z.string().nullable().optional(),
    steps: z.array(stepShape).optional(),
    metrics: z.looseObject({}).optional(),
  }),
  hints: READS,
  metadata: ofWorkflow(9, 30),
  echo: ["workflow_id"],
  async run({ workflow_id, include_steps, include_metrics }, { system }) {
    const run = await system.status(workflow_id);
    const count = (state: string): number => countOf(run, (step) => step.state === state);
    return {
      ...runAnswer(run),
      current_step: run.steps.find((step) => step.state === "running")?.stepId ?? null,
      ...(include_steps && { steps: run.steps.map(stepAnswer) }),
      ...(include_metrics && {
        metrics: {
          total_steps: run.steps.length,
          completed_steps: count("completed"),
          failed_steps: count("failed"),
          skipped_steps: count("skipped"),
          cancelled_steps: count("cancelled"),
          running_steps: count("running"),
          cached_steps: countOf(run, ({ cached }) => cached),
          reused_steps: countOf(run, ({ reused }) => reused),
          attempts: run.steps.reduce((sum, { attempt }) => sum + attempt, 0),
          execution_time: runSeconds(run),
        },
      }),
    };
  },
});
