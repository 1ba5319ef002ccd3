import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { CHANGES, count, flag, text, textOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, countOf, stepId, workflowId } from "../workflow/shapes.ts";
import { RUNS } from "./shapes.ts";

export const runRerun = defineTool({
  name: "run_rerun",
  title: "Run a workflow again",
  description:
    "Makes a new run of a workflow that has ended. Steps that completed, and wait for nothing that runs again, are taken " +
    "over with their outputs; all others run, and those named in from_steps too, with all that depends on them. With " +
    "new_workflow_id, asking again is safe.",
  input: z.strictObject({
    workflow_id: workflowId,
    new_workflow_id: workflowId
      .nullish()
      .describe("Id of the new run; default: the first one's with ~2, or the next number that is free"),
    from_steps: z
      .array(stepId)
      .max(LIMITS.lists.pageItems)
      .nullish()
      .describe("Steps to run again; default: those that did not complete"),
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    new_workflow_id: text,
    status: text,
    origin: textOrNull,
    total_steps: count,
    reused_steps: count,
    replayed: flag,
  }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: { ...RUNS, timeoutMs: 90_000 },
  echo: ["workflow_id"],
  async run({ workflow_id, new_workflow_id: as, from_steps: from }, { system, traceparent }) {
    const { workflowId: id, replayed } = await system.rerun(workflow_id, {
      ...(as && { as }),
      ...(from && { from }),
      ...(traceparent && { traceparent }),
    });
    // What was answered is from before it has taken anything over.
    const run = await system.status(id);
    return {
      workflow_id,
      new_workflow_id: id,
      status: run.state,
      origin: run.origin,
      total_steps: run.stepsTotal,
      reused_steps: countOf(run, ({ reused }) => reused),
      replayed,
    };
  },
});
