import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { whatIfRun, type DagSimulation } from "../../workflow/index.ts";
import { READS, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, stepId, workflowId } from "../workflow/shapes.ts";
import { RUNS } from "./shapes.ts";

const { dagSteps, timeoutMs } = LIMITS.workflow;
const workers = z.int().min(1).max(dagSteps).nullish();

const planShape = z.looseObject({
  workers: z.int(),
  duration: z.number(),
  utilisation: z.number().min(0).max(1),
  work: z.number(),
  critical_path: z.number(),
  lower_bound: z.number(),
});

export const runWhatIf = defineTool({
  name: "run_what_if",
  title: "What if a workflow were otherwise",
  description:
    "Plays a workflow through with the times that its steps took (or are expected to take), and again with a change: " +
    "more workers, steps that take another time, dependencies given up. Tells how long each would take, in seconds, and " +
    "what is saved. Nothing is run or changed.",
  input: z
    .strictObject({
      workflow_id: workflowId,
      workers: workers.describe("Steps that run at a time; default: all that may"),
      new_workers: workers.describe("The same after the change"),
      durations: z
        .record(
          stepId,
          z
            .number()
            .min(0)
            .max(timeoutMs / 1_000),
        )
        .nullish()
        .describe("Steps by id, and the seconds that they take after the change"),
      factors: z
        .record(stepId, z.number().min(0).max(1_000))
        .nullish()
        .describe("Likewise, how many times as long as before: 0.5 is twice as fast"),
      without: z
        .array(z.strictObject({ step_id: stepId, depends_on: stepId }))
        .max(LIMITS.lists.pageItems)
        .nullish()
        .describe("Dependencies that are given up"),
    })
    .refine(
      ({ new_workers, durations, factors, without }) =>
        [new_workers, durations, factors, without].some((each) => each !== undefined && each !== null),
      "at least one of new_workers, durations, factors and without is needed",
    ),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    before: planShape.optional(),
    after: planShape.optional(),
    saved: z.number().optional(),
    estimated_steps: count,
  }),
  hints: READS,
  metadata: { ...RUNS, cpuIntensive: true },
  echo: ["workflow_id"],
  async run({ workflow_id, workers: given, new_workers, durations, factors, without }, { system }) {
    const run = await system.status(workflow_id);
    const now = given ?? run.steps.length;
    const then = new_workers ?? now;
    const inMs = Object.entries(durations ?? {}).map(([id, seconds]) => [id, seconds * 1_000] as const);
    const { before, after, savedMs, estimated } = whatIfRun(run, now, {
      workers: then,
      durationsMs: inMs,
      factors: Object.entries(factors ?? {}),
      without: (without ?? []).map((edge) => ({ stepId: edge.step_id, dependsOn: edge.depends_on })),
    });
    return {
      workflow_id,
      before: planAnswer(before, now),
      after: planAnswer(after, then),
      saved: savedMs / 1_000,
      estimated_steps: estimated.length,
    };
  },
});

const planAnswer = (plan: DagSimulation, count: number): z.output<typeof planShape> => ({
  workers: count,
  duration: plan.makespanMs / 1_000,
  utilisation: Math.min(1, plan.utilisation),
  work: plan.workMs / 1_000,
  critical_path: plan.criticalPathMs / 1_000,
  lower_bound: plan.lowerBoundMs / 1_000,
});
