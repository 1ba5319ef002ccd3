import { valid } from "semver";
import { LIMITS } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import { z } from "../schema/zod-schema.ts";
import { failurePolicyShape, metadataShape, stepShape, tagsShape } from "./step-shape.ts";
import type { FailurePolicy } from "./workflow.protocol.ts";

const TYPES = ["string", "number", "boolean", "array", "object"] as const;

export interface TemplateParameter {
  readonly name: string;
  readonly type: (typeof TYPES)[number];
  readonly description: string;
  /** Undefined: there is none, so a required parameter must be given. */
  readonly default: unknown;
  readonly required: boolean;
  /** A regular expression that a string must match from its start. */
  readonly validation: string | undefined;
}

/** A workflow with blanks. It is frozen, because it is compiled once. */
export interface Template {
  readonly templateId: string;
  readonly name: string;
  readonly description: string;
  /** A semantic version. */
  readonly version: string;
  readonly parameters: readonly TemplateParameter[];
  /** As written, placeholders included. */
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly onFailure: FailurePolicy;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, Wire>>;
  /** Templates whose steps come before its own: `id`, or `id@range`. */
  readonly includes: readonly string[];
}

const parameterShape = z.strictObject({
  name: z
    .string()
    .regex(/^\w{1,64}$/)
    .describe("Written ${name} where its value goes"),
  type: z.enum(TYPES).describe("What its value must be; nothing is converted"),
  description: z.string().default("").describe("What it is for"),
  default: z.unknown().optional().describe("Its value when none is given"),
  required: z.boolean().default(true).describe("False: it may be left out, and is null then"),
  validation: z
    .string()
    .max(LIMITS.workflow.patternChars)
    .nullish()
    .describe("Regular expression that a text must match from its start"),
});

const schemaLine = z.string().optional().describe("Where this schema is, for editors; not looked at");
const { templateIdChars, templateIncludes, nameChars } = LIMITS.workflow;

/** One template, as its file writes it. */
export const templateShape = z
  .strictObject({
    $schema: schemaLine,
    template_id: z
      .string()
      .regex(/^[^\s@$"'`\\]*$/)
      .min(1)
      .max(templateIdChars)
      .describe("What it is known by; no spaces, quotes, @, $ and backslashes"),
    name: z.string().min(1).max(nameChars).describe("What its workflows are called"),
    description: z.string().default("").describe("What it does"),
    version: z
      .string()
      .refine(
        (version) => valid(version) === version,
        "a semantic version is needed, such as 1.2.0 or 2.0.0-beta.1",
      )
      .default("1.0.0")
      .describe("Semantic version"),
    parameters: z.array(parameterShape).default([]).describe("Its blanks"),
    steps: z.array(z.record(z.string(), z.unknown())).min(1).describe("Steps, in any order"),
    on_failure: failurePolicyShape,
    tags: tagsShape.describe("Words to find its workflows by"),
    metadata: metadataShape.describe("Kept with its workflows, not looked at"),
    includes: z
      .array(z.string().min(1))
      .max(templateIncludes)
      .default([])
      .describe("Templates whose steps come first, prefixed <template_id>_: an id, or id@range"),
  })
  .describe("A template of a workflow");

/** Several templates, by id and version. */
export const collectionShape = z
  .strictObject({
    $schema: schemaLine,
    templates: z.record(z.string(), z.record(z.string(), z.unknown())).describe("By id and version"),
  })
  .describe("A collection of templates, as a registry exports it");

export function templateOf(file: z.output<typeof templateShape>): Template {
  return frozen({
    templateId: file.template_id,
    name: file.name,
    description: file.description,
    version: file.version,
    parameters: file.parameters.map((each) => ({
      ...each,
      default: each.default,
      validation: each.validation ?? undefined,
    })),
    steps: file.steps,
    onFailure: file.on_failure,
    tags: file.tags,
    // It came as JSON, or as YAML that says the same, which is all wire values.
    metadata: file.metadata as Record<string, Wire>,
    includes: file.includes,
  });
}

/** As a file writes it. */
export function fileOf(template: Template): z.input<typeof templateShape> {
  return {
    template_id: template.templateId,
    name: template.name,
    description: template.description,
    version: template.version,
    parameters: template.parameters.map(({ default: value, validation, ...each }) => ({
      ...each,
      ...(value === undefined ? {} : { default: value }),
      ...(validation === undefined ? {} : { validation }),
    })),
    steps: [...template.steps],
    on_failure: template.onFailure,
    tags: [...template.tags],
    metadata: { ...template.metadata },
    includes: [...template.includes],
  };
}

export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) frozen(item);
  return Object.freeze(value);
}

const BLANK = { type: "string", pattern: "\\$\\{\\w+\\}" };

/**
 * The JSON Schema of a template file, for editors. In a step every value may be a placeholder instead.
 *
 * @see https://json-schema.org/draft-07
 */
export function templateSchema(): unknown {
  const options = { io: "input", target: "draft-07" } as const;
  const { $schema, ...template } = z.toJSONSchema(templateShape, options);
  const { $schema: _, ...step } = z.toJSONSchema(stepShape, options);
  const fields = Object.entries(step.properties ?? {}).map(([name, field]) => [name, orBlank(field)]);
  const properties = {
    ...template.properties,
    steps: { ...stepsOf(template), items: { $ref: "#/definitions/step" } },
  };
  const { templates: byId, ...rest } = z.toJSONSchema(collectionShape, options).properties ?? {};
  return {
    $schema,
    title: "mcplusplus template",
    if: { required: ["templates"] },
    // oxlint-disable-next-line unicorn/no-thenable -- it is a keyword of JSON Schema
    then: {
      type: "object",
      properties: {
        ...rest,
        templates: {
          ...(byId as object),
          additionalProperties: { type: "object", additionalProperties: { $ref: "#/definitions/template" } },
        },
      },
      required: ["templates"],
      additionalProperties: false,
    },
    else: { $ref: "#/definitions/template" },
    definitions: {
      template: { ...template, properties },
      step: { ...step, properties: Object.fromEntries(fields) as unknown },
    },
  };
}

const stepsOf = ({ properties }: { readonly properties?: unknown }): object =>
  (properties as { readonly steps: object }).steps;

/** The description stays outside, where editors look for it. */
function orBlank(field: unknown): unknown {
  const { description, ...shape } = field as { readonly description?: string };
  return { ...(description === undefined ? {} : { description }), anyOf: [shape, BLANK] };
}
