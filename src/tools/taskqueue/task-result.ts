import type { TaskStatus } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { goesOn, waitForTask, waitSeconds, waitsMs } from "../waiting.ts";
import { answer, percentOf } from "../workflow/shapes.ts";
import {
  READS,
  executionSeconds,
  failureOf,
  logShape,
  logsOf,
  numberOrNull,
  ofQueue,
  taskId,
  text,
  textOrNull,
} from "./shapes.ts";

export const taskResult = defineTool({
  name: "task_result",
  title: "Result of a task",
  description:
    "Gives what the handler of a finished task returned; a large value is shown as a reference with its size. One that " +
    "failed or was cancelled has no result and says why in failure. Before the end it says that there is no result yet, " +
    "or with wait_seconds waits for it.",
  input: z.strictObject({
    task_id: taskId,
    include_output: z.boolean().default(true).describe("Give the result a second time as output"),
    include_logs: z
      .boolean()
      .default(false)
      .describe("Add what its handler logged and printed, the newest 1,000 lines"),
    wait_seconds: waitSeconds,
  }),
  output: z.looseObject({
    ...answer,
    task_id: text,
    status: text,
    result: z.unknown().optional(),
    output: z.unknown().optional(),
    failure: textOrNull,
    failure_code: textOrNull,
    logs: z.array(logShape).nullable().optional(),
    execution_time: numberOrNull,
    progress: z.number().optional(),
    next: text,
  }),
  hints: READS,
  metadata: ofQueue("p2p_taskqueue", 8, 15),
  echo: ["task_id"],
  waitsMs,
  async run({ task_id, include_output, include_logs, wait_seconds }, call) {
    const { system } = call;
    const waitMs = waitsMs({ wait_seconds });
    await waitForTask(task_id, waitMs, call);
    const outcome = await system.tasks.result(task_id).catch((error: unknown) => {
      if (goesOn(error, waitMs)) return undefined;
      throw error;
    });
    if (outcome === undefined) return unfinished(await system.tasks.status(task_id));
    const result = outcome.output ?? null;
    return {
      task_id,
      status: outcome.state,
      result,
      output: include_output ? result : null,
      failure: failureOf(outcome),
      failure_code: outcome.error?.code ?? null,
      logs: include_logs ? await logsOf(system, task_id) : null,
      execution_time: executionSeconds(outcome),
    };
  },
});

const unfinished = ({ taskId: task_id, state, progress }: TaskStatus) => ({
  task_id,
  status: state,
  result: null,
  output: null,
  failure: null,
  failure_code: null,
  logs: null,
  execution_time: null,
  progress: percentOf(progress),
  next: "it has not ended: ask task_result again with wait_seconds, or task_status",
});
