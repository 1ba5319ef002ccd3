import { LIMITS } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import { z } from "../schema/zod-schema.ts";
import type { StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/**
 * Workflows as tools and template files write them: snake_case keys, seconds, and retries instead of attempts. What
 * spans several steps (ids, edges, references) is checked where the definition is.
 */

const { idChars, nameChars, tags, tagChars } = LIMITS.workflow;
const { nameChars: actionChars, attempts, priority: priorityMax, timeoutMs } = LIMITS.queue;
const timeoutSecondsMax = timeoutMs / 1_000;
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
    })
    .optional()
    .describe("How often a failed step is tried again"),
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
    .default([])
    .refine(
      (ids) => ids.length === 0,
      "waiting for other workflows is not part of this version; leave it out",
    )
    .describe("Not part of this version: leave it out"),
  metadata: metadataShape.describe("Kept with the workflow, not looked at"),
  on_failure: failurePolicyShape,
});

export function stepFromTool(step: z.output<typeof stepShape>): StepDefinition {
  const { timeout, retry_policy, cache } = step;
  return {
    stepId: step.step_id,
    action: step.action,
    // It came as JSON, which is all wire values.
    inputs: step.inputs as Record<string, Wire>,
    dependsOn: step.depends_on,
    ...(step.priority === undefined ? {} : { priority: step.priority }),
    ...(timeout === undefined ? {} : { timeoutMs: Math.max(1, Math.round(timeout * 1_000)) }),
    ...(retry_policy === undefined ? {} : { attempts: retry_policy.max_retries + 1 }),
    ...(cache === undefined ? {} : { cacheTtlMs: Math.round(cache.ttl_seconds * 1_000) }),
  };
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
  };
}
