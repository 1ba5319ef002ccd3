import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import {
  READS,
  errorAnswer,
  failureOf,
  taskAnswer,
  taskId,
  taskShape,
  textOrNull,
} from "../taskqueue/shapes.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { DEAD_LETTERS } from "./choice.ts";

const attemptShape = z.looseObject({
  attempt: z.int(),
  kind: z.string(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
  worker_id: z.string(),
  error: z.string().nullable(),
  code: z.string().nullable(),
});

export const deadletterInspect = defineTool({
  name: "deadletter_inspect",
  title: "Inspect a dead letter",
  description:
    "Tells of one task that failed for good what it was, and of each attempt that did not complete it when it ran, " +
    "whether it failed or was interrupted, and why.",
  input: z.strictObject({ task_id: taskId }),
  output: z.looseObject({
    ...answer,
    ...taskShape.partial().shape,
    failure: textOrNull,
    attempts: z.array(attemptShape).optional(),
  }),
  hints: READS,
  metadata: DEAD_LETTERS,
  echo: ["task_id"],
  async run({ task_id }, { system }) {
    const { task, attempts } = await system.tasks.deadLetters.inspect(task_id);
    return {
      ...taskAnswer(task),
      failure: failureOf(task),
      attempts: attempts.map(({ attempt, kind, startedAtMs, endedAtMs, workerId, error }) => ({
        attempt,
        kind,
        start_time: isoTime(startedAtMs),
        end_time: isoTime(endedAtMs),
        worker_id: workerId,
        ...errorAnswer(error),
      })),
    };
  },
});
