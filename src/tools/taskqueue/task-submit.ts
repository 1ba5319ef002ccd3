import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import {
  CHANGES,
  actionName,
  delaySeconds,
  millisecondsOf,
  ofQueue,
  placeOf,
  placeShape,
  priority,
  flag,
  retries,
  tagList,
  taskId,
  text,
  textOrNull,
  timeoutSeconds,
} from "./shapes.ts";

const { nameChars, dependencies, backoffFactor } = LIMITS.queue;

const retryPolicy = z
  .strictObject({
    max_retries: retries.default(0).describe("Attempts are one more"),
    backoff: z.enum(["none", "fixed", "linear", "exponential"]).default("exponential"),
    backoff_factor: z.number().min(1).max(backoffFactor).default(2),
    delay_ms: z
      .number()
      .min(0)
      .max(LIMITS.queue.delayMs)
      .optional()
      .describe("Before the first retry; default 1000"),
    max_delay_ms: z
      .number()
      .min(0)
      .max(LIMITS.queue.delayMs)
      .optional()
      .describe("Longest pause; default 300000"),
    jitter: z.number().min(0).max(1).optional().describe("Share of a pause that chance may take off"),
  })
  .prefault({})
  .describe("How a failed task is tried again");

export const taskSubmit = defineTool({
  name: "task_submit",
  title: "Submit a task",
  description:
    "Stores one task, which its handler (task_type) carries out with the payload as soon as its turn has come. Returns " +
    "when it is on disk; task_status tells how far it is, task_result what came out. The same id with the same work, or " +
    "an idempotency key that was used, returns the task that is there, with replayed: true.",
  input: z.strictObject({
    task_id: taskId.describe("Id of the task, unique"),
    task_type: actionName.describe("The handler that does it"),
    payload: z.record(z.string(), z.unknown()).describe("The handler's input"),
    priority: priority.default(1).describe("Higher runs sooner"),
    tags: tagList.default([]).describe("Words to find it by, and to bound it by quotas"),
    timeout: timeoutSeconds.nullish().describe("Seconds that one attempt may take"),
    retry_policy: retryPolicy,
    metadata: z.record(z.string(), z.unknown()).default({}).describe("Kept with the task, not looked at"),
    depends_on: z
      .array(taskId)
      .max(dependencies)
      .default([])
      .describe("Ids of tasks that must complete first"),
    on_dependency_failure: z
      .enum(["cancel", "run"])
      .default("cancel")
      .describe("What becomes of it when one of those fails"),
    deadline: z.iso
      .datetime({ offset: true })
      .nullish()
      .describe("When it should have ended, ISO-8601: orders tasks, and never stops one"),
    delay_seconds: delaySeconds.default(0).describe("Not to start sooner than so long from now"),
    idempotency_key: z
      .string()
      .min(1)
      .max(nameChars)
      .nullish()
      .describe("Same key, same task, whatever its id"),
    required_capabilities: tagList.default([]).describe("What its worker must have"),
  }),
  output: z.looseObject({
    ...answer,
    task_id: text,
    status: text,
    ...placeShape,
    assigned_worker: textOrNull,
    replayed: flag,
    deadline: textOrNull,
  }),
  hints: CHANGES,
  metadata: ofQueue("p2p_taskqueue", 8, 60, { retryPolicy: "exponential", ioIntensive: true }),
  echo: ["task_id"],
  async run(args, { system, traceparent }) {
    const { timeout, deadline, idempotency_key: key, delay_seconds: delay, retry_policy: policy } = args;
    const receipt = await system.tasks.submit({
      id: args.task_id,
      action: args.task_type,
      input: args.payload,
      priority: args.priority,
      tags: args.tags,
      metadata: args.metadata as Record<string, never>,
      dependsOn: args.depends_on,
      onDependencyFailure: args.on_dependency_failure,
      requires: args.required_capabilities,
      attempts: policy.max_retries + 1,
      backoff: backoffOf(policy),
      ...(timeout && { timeoutMs: millisecondsOf(timeout) }),
      ...(deadline && { deadline }),
      ...(delay > 0 && { delayMs: millisecondsOf(delay) }),
      ...(key && { idempotencyKey: key }),
      ...(traceparent && { traceparent }),
    });
    const { taskId, state, replayed } = receipt;
    // What was there before has a deadline of its own.
    const task = state === "queued" && !replayed ? null : await system.tasks.status(taskId);
    return {
      task_id: taskId,
      status: state,
      ...(await placeOf(system, receipt)),
      assigned_worker: state === "queued" || !task ? null : task.workerId,
      replayed,
      deadline: isoTime(task ? task.deadlineMs : deadline ? Date.parse(deadline) : null),
    };
  },
});

function backoffOf({
  backoff,
  backoff_factor,
  delay_ms,
  max_delay_ms,
  jitter,
}: z.output<typeof retryPolicy>) {
  return {
    shape: backoff,
    factor: backoff_factor,
    ...(delay_ms !== undefined && { delayMs: delay_ms }),
    ...(max_delay_ms !== undefined && { maxDelayMs: max_delay_ms }),
    ...(jitter !== undefined && { jitter }),
  };
}
