import { randomUUID } from "node:crypto";
import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { CHANGES, priority, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { submittedAnswer, submittedShape, workflowId } from "../workflow/shapes.ts";
import { TEMPLATES, templateId, version } from "./shapes.ts";

/** Of a random id that is put after that of the template. */
const RANDOM_CHARS = 8;

export const templateRun = defineTool({
  name: "template_run",
  title: "Run a template",
  description:
    "Makes a workflow of a template and starts it; returns at once, as workflow_submit does. With a workflow_id or an " +
    "idempotency_key, asking again with the same parameters returns the run that is there.",
  input: z.strictObject({
    template_id: templateId,
    version,
    parameters: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Values by name; what is left out has its default"),
    workflow_id: workflowId
      .nullish()
      .describe("Id of the workflow; default: that of the template and a random one"),
    priority: priority.default(1).describe("Higher runs sooner"),
    idempotency_key: z
      .string()
      .min(1)
      .max(LIMITS.queue.nameChars)
      .nullish()
      .describe("The same key with the same work is the same workflow, whatever its id"),
  }),
  output: z.looseObject({ ...submittedShape, template_id: text, template_version: text }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: { ...TEMPLATES, timeoutMs: 90_000, ioIntensive: true },
  echo: ["template_id", "version", "workflow_id"],
  async run(
    { template_id, version: which, parameters, workflow_id, ...rest },
    { system, templates, traceparent },
  ) {
    const template = templates.compose(template_id, which);
    const id = workflow_id ?? `${template_id}-${randomUUID().slice(0, RANDOM_CHARS)}`;
    const made = templates.instantiate(template_id, parameters, {
      workflowId: id,
      version: template.version,
    });
    const { priority: urgency, idempotency_key: idempotencyKey } = rest;
    const run = await system.submit({
      ...made,
      priority: urgency,
      ...(idempotencyKey && { idempotencyKey }),
      ...(traceparent && { traceparent }),
    });
    return { ...submittedAnswer(run), template_id, template_version: template.version };
  },
});
