import { z } from "../../schema/zod-schema.ts";
import type { RunStatus } from "../../workflow/workflow.protocol.ts";
import { READS } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { goesOn, waitForRun, waitSeconds, waitsMs } from "../waiting.ts";
import { answer, failureOf, isoTime, ofWorkflow, percentOf, runSeconds, workflowId } from "./shapes.ts";

const recordShape = z.looseObject({
  time: z.string().nullable(),
  step_id: z.string(),
  level: z.string(),
  message: z.string(),
});

export const workflowResult = defineTool({
  name: "workflow_result",
  title: "Result of a workflow",
  description:
    "Gives what a finished workflow produced: the output of its last steps as the result and, if asked for, of every " +
    "step. A large output is shown as a reference with its size. A workflow that failed or was cancelled has no result, " +
    "but the outputs of the steps that completed. Before the end it says that there is no result yet, or with " +
    "wait_seconds waits for it.",
  input: z.strictObject({
    workflow_id: workflowId,
    include_outputs: z.boolean().default(true).describe("List the output of every step"),
    include_logs: z
      .boolean()
      .default(false)
      .describe("Add what is on record about each step: its start, its end, and why it failed"),
    wait_seconds: waitSeconds,
  }),
  output: z.looseObject({
    ...answer,
    workflow_id: z.string().optional(),
    status: z.string().optional(),
    result: z.unknown().optional(),
    failure: z.string().nullable().optional(),
    failure_code: z.string().nullable().optional(),
    execution_time: z.number().nullable().optional(),
    progress: z.number().optional(),
    next: z.string().optional(),
    outputs: z.array(z.looseObject({ step_id: z.string(), output: z.unknown() })).optional(),
    logs: z.array(recordShape).optional(),
  }),
  hints: READS,
  metadata: ofWorkflow(8, 20),
  echo: ["workflow_id"],
  waitsMs,
  async run({ workflow_id, include_outputs, include_logs, wait_seconds }, call) {
    const { system } = call;
    const waitMs = waitsMs({ wait_seconds });
    await waitForRun(workflow_id, waitMs, call);
    const ended = await system.result(workflow_id).catch((error: unknown) => {
      if (goesOn(error, waitMs)) return undefined;
      throw error;
    });
    if (ended === undefined) return unfinished(await system.status(workflow_id));
    const { status, outputs } = ended;
    return {
      workflow_id,
      status: status.state,
      result: status.state === "completed" ? resultOf(status, outputs) : null,
      failure: failureOf(status),
      failure_code: status.error?.code ?? null,
      execution_time: runSeconds(status),
      ...(include_outputs && {
        outputs: Object.entries(outputs).map(([step_id, output]) => ({ step_id, output })),
      }),
      ...(include_logs && { logs: recordsOf(status) }),
    };
  },
});

const unfinished = ({ workflowId: workflow_id, state, progress }: RunStatus) => ({
  workflow_id,
  status: state,
  result: null,
  failure: null,
  failure_code: null,
  execution_time: null,
  progress: percentOf(progress),
  next: "it has not ended: ask workflow_result again with wait_seconds, or workflow_status",
});

/** The output of the step that no other depends on; of several, an object by step. */
function resultOf({ steps }: RunStatus, outputs: Readonly<Record<string, unknown>>): unknown {
  const depended = new Set(steps.flatMap((step) => step.dependsOn));
  const last = steps
    .map(({ stepId }) => stepId)
    .filter((id) => !depended.has(id) && Object.hasOwn(outputs, id));
  const [only] = last;
  if (only !== undefined && last.length === 1) return outputs[only];
  return Object.fromEntries(last.map((id) => [id, outputs[id]]));
}

/**
 * What handlers print goes to standard error and is not kept, so the record is what the workflow itself knows, in the
 * order in which it happened.
 */
function recordsOf({ steps }: RunStatus): z.output<typeof recordShape>[] {
  const records = steps.flatMap(({ stepId, state, cached, attempt, startedAtMs, endedAtMs, error }) => {
    const started = {
      atMs: startedAtMs,
      level: "info",
      message: attempt > 1 ? `started ${attempt} times` : "started",
    };
    const how = cached ? `${state}, from the cache` : state;
    const level = state === "failed" ? "error" : state === "completed" ? "info" : "warn";
    const ended = { atMs: endedAtMs, level, message: error ? `${how}: ${error.message}` : how };
    const known = startedAtMs === null ? [ended] : [started, ended];
    return known.map((record) => ({ step_id: stepId, ...record }));
  });
  return records
    .toSorted((one, other) => (one.atMs ?? Infinity) - (other.atMs ?? Infinity))
    .map(({ step_id, atMs, level, message }) => ({ time: isoTime(atMs), step_id, level, message }));
}
