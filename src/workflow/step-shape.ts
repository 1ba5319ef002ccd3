import { LIMITS } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import { z } from "../schema/zod-schema.ts";
import type { Compensation, ForEach, StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/**
 * Workflows as tools and template files write them: snake_case keys, seconds, and retries instead of attempts. What
 * spans several steps (ids, edges, references) is checked where the definition is.
 */

const { idChars, nameChars, tags, tagChars } = LIMITS.workflow;
const { nameChars: actionChars, attempts, priority: priorityMax, timeoutMs, backoffFactor } = LIMITS.queue;
const timeoutSecondsMax = timeoutMs / 1_000;
const delayMs = z.number().min(0).max(LIMITS.queue.delayMs);
const deadline = z.iso.datetime({ offset: true }).optional();
const ttlSecondsMax = LIMITS.cache.ttlMs / 1_000;

const priority = z.number().min(-priorityMax).max(priorityMax).describe("Higher runs sooner");

export const stepShape = z.strictObject({
  step_id: z.string().min(1).max(idChars).describe("Unique within the workflow"),
  action: z.string().min(1).max(actionChars).describe("The handler that does it"),
  inputs: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      "The handler's input; ${{ steps.<step_id>.output }} in a string refers to the output of another step",
    ),
  depends_on: z.array(z.string()).default([]).describe("Steps that must be done first"),
  priority: priority.optional(),
  timeout: z
    .number()
    .positive()
    .max(timeoutSecondsMax)
    .optional()
    .describe("Seconds that one attempt may take"),
  retry_policy: z
    .strictObject({
      max_retries: z
        .int()
        .min(0)
        .max(attempts - 1)
        .default(0),
      backoff: z.enum(["none", "fixed", "linear", "exponential"]).optional(),
      backoff_factor: z.number().min(1).max(backoffFactor).optional(),
      delay_ms: delayMs.optional().describe("Before the first retry; default 1000"),
      max_delay_ms: delayMs.optional().describe("Longest pause; default 300000"),
      jitter: z.number().min(0).max(1).optional().describe("Share of a pause that chance may take off"),
    })
    .optional()
    .describe("How a failed step is tried again"),
  deadline: deadline.describe("When it should have ended, ISO-8601: orders tasks, and never stops one"),
  when: z
    .string()
    .min(1)
    .max(LIMITS.compute.checkedChars)
    .optional()
    .describe(
      "JSONata expression over { steps: { <id>: { state, output } }, metadata } of the steps it depends on; when false it is skipped",
    ),
  for_each: z
    .strictObject({
      items: z
        .union([z.array(z.unknown()), z.string()])
        .describe("A list, or one reference to a list; inputs refer to ${{ item }} and ${{ index }}"),
      max_items: z.int().min(1).max(LIMITS.workflow.items).optional().describe("Default 1000"),
      max_concurrent: z.int().min(1).max(LIMITS.workflow.items).optional().describe("At a time"),
    })
    .optional()
    .describe("Runs the action once for each item; the output is the list of their outputs"),
  compensate: z
    .strictObject({
      action: z.string().min(1).max(actionChars).describe("The handler that undoes it"),
      inputs: z
        .record(z.string(), z.unknown())
        .default({})
        .describe("References may lead to the step itself, too"),
    })
    .optional()
    .describe("Undoes the completed step when the workflow fails or is cancelled"),
  cache: z
    .strictObject({ ttl_seconds: z.number().min(0).max(ttlSecondsMax) })
    .optional()
    .describe("Reuse the output of the same action with the same inputs for so long"),
});

export const failurePolicyShape = z
  .enum(["skip_dependents", "fail_fast", "ignore"])
  .default("skip_dependents")
  .describe("What a failed step means for the others");
export const tagsShape = z.array(z.string().min(1).max(tagChars)).max(tags).default([]);
export const metadataShape = z.record(z.string(), z.unknown()).default({});

/** The arguments of the tool `workflow_submit`. */
export const toolWorkflowShape = z.strictObject({
  workflow_id: z.string().min(1).max(idChars).describe("Id of the workflow, unique"),
  name: z.string().min(1).max(nameChars).describe("What it is called"),
  steps: z.array(stepShape).min(1).describe("Steps, in any order"),
  priority: priority.default(1),
  tags: tagsShape.describe("Words to find it by"),
  dependencies: z
    .array(z.string())
    .max(LIMITS.workflow.dependencies)
    .default([])
    .describe("Ids of workflows that must complete first"),
  metadata: metadataShape.describe("Kept with the workflow, not looked at"),
  on_failure: failurePolicyShape,
  max_concurrency: z.int().min(1).optional().describe("Steps in the queue at a time"),
  deadline: deadline.describe("When the workflow is stopped if it has not ended, ISO-8601"),
  timeout: z
    .number()
    .positive()
    .max(LIMITS.workflow.timeoutMs / 1_000)
    .optional()
    .describe("Likewise, in seconds from now"),
  idempotency_key: z
    .string()
    .min(1)
    .max(LIMITS.queue.nameChars)
    .optional()
    .describe("The same key with the same work is the same workflow, whatever its id"),
});

const milliseconds = (seconds: number): number => Math.max(1, Math.round(seconds * 1_000));

export function stepFromTool(step: z.output<typeof stepShape>): StepDefinition {
  const { timeout, retry_policy, cache, deadline: until } = step;
  return {
    stepId: step.step_id,
    action: step.action,
    // It came as JSON, which is all wire values.
    inputs: step.inputs as Record<string, Wire>,
    dependsOn: step.depends_on,
    ...(step.priority === undefined ? {} : { priority: step.priority }),
    ...(timeout === undefined ? {} : { timeoutMs: milliseconds(timeout) }),
    ...(retry_policy === undefined ? {} : retriesOf(retry_policy)),
    ...(until === undefined ? {} : { deadlineMs: Date.parse(until) }),
    ...(cache === undefined ? {} : { cacheTtlMs: Math.round(cache.ttl_seconds * 1_000) }),
    ...(step.when === undefined ? {} : { when: step.when }),
    ...(step.for_each === undefined ? {} : { forEach: forEachOf(step.for_each) }),
    ...(step.compensate === undefined ? {} : { compensate: step.compensate as Compensation }),
  };
}

function forEachOf({
  items,
  max_items,
  max_concurrent,
}: NonNullable<z.output<typeof stepShape>["for_each"]>): ForEach {
  return {
    items: items as Wire,
    ...(max_items === undefined ? {} : { maxItems: max_items }),
    ...(max_concurrent === undefined ? {} : { maxConcurrent: max_concurrent }),
  };
}

function retriesOf(
  policy: NonNullable<z.output<typeof stepShape>["retry_policy"]>,
): Pick<StepDefinition, "attempts" | "backoff"> {
  const { max_retries, backoff: shape, backoff_factor: factor, jitter } = policy;
  const { delay_ms, max_delay_ms } = policy;
  const backoff = {
    ...(shape === undefined ? {} : { shape }),
    ...(factor === undefined ? {} : { factor }),
    ...(delay_ms === undefined ? {} : { delayMs: delay_ms }),
    ...(max_delay_ms === undefined ? {} : { maxDelayMs: max_delay_ms }),
    ...(jitter === undefined ? {} : { jitter }),
  };
  return { attempts: max_retries + 1, ...(Object.keys(backoff).length === 0 ? {} : { backoff }) };
}

export function definitionFromTool(args: z.output<typeof toolWorkflowShape>): WorkflowDefinition {
  return {
    workflowId: args.workflow_id,
    name: args.name,
    steps: args.steps.map(stepFromTool),
    onFailure: args.on_failure,
    priority: args.priority,
    tags: args.tags,
    metadata: args.metadata as Record<string, Wire>,
    ...(args.max_concurrency === undefined ? {} : { maxConcurrency: args.max_concurrency }),
    ...(args.deadline === undefined ? {} : { deadlineMs: Date.parse(args.deadline) }),
    ...(args.timeout === undefined ? {} : { timeoutMs: milliseconds(args.timeout) }),
    ...(args.dependencies.length === 0 ? {} : { dependencies: args.dependencies }),
    ...(args.idempotency_key === undefined ? {} : { idempotencyKey: args.idempotency_key }),
  };
}
