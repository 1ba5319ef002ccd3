import { z } from "../../schema/zod-schema.ts";
import { READS, count, errorAnswer, flag, limit, offset, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, percentOf, workflowId } from "../workflow/shapes.ts";
import type { HistoryEntry } from "../../workflow/workflow.protocol.ts";
import { RUNS } from "./shapes.ts";

const eventShape = z.looseObject({
  sequence: z.int(),
  time: z.string(),
  status: z.string(),
  progress: z.number().nullable(),
  step_id: z.string().nullable(),
  step_status: z.string().nullable(),
  attempt: z.int().nullable(),
  message: z.string().nullable(),
  error: z.string().nullable(),
  code: z.string().nullable(),
});

export const runHistory = defineTool({
  name: "run_history",
  title: "History of a workflow",
  description:
    "Lists what happened in a workflow, oldest first, page by page, also after its end: each change of it and of its " +
    "steps, with the attempt and the reason. sequence 0 was read after a restart, not heard. Of long runs the latest " +
    "1,000 events are kept; dropped_count says how many are not.",
  input: z.strictObject({ workflow_id: workflowId, limit, offset }),
  output: z.looseObject({
    ...answer,
    workflow_id: text,
    events: z.array(eventShape).optional(),
    total_count: count,
    returned_count: count,
    has_more: flag,
    dropped_count: count,
  }),
  hints: READS,
  metadata: RUNS,
  echo: ["workflow_id"],
  async run({ workflow_id, limit: most, offset: from }, { system }) {
    const { events, total, dropped } = await system.history(workflow_id, { offset: from, limit: most });
    return {
      workflow_id,
      events: events.map(eventAnswer),
      total_count: total,
      returned_count: events.length,
      has_more: from + events.length < total,
      dropped_count: dropped,
    };
  },
});

function eventAnswer(entry: HistoryEntry): z.output<typeof eventShape> {
  return {
    sequence: entry.sequence,
    time: new Date(entry.atMs).toISOString(),
    status: entry.state,
    progress: entry.progress === null ? null : percentOf(entry.progress),
    step_id: entry.stepId,
    step_status: entry.stepState,
    attempt: entry.attempt,
    message: entry.message,
    ...errorAnswer(entry.error),
  };
}
