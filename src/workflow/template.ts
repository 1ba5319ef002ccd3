import { runInNewContext } from "node:vm";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import { check, z } from "../schema/zod-schema.ts";
import { checkDefinition } from "./definition.ts";
import { isOpen, substitute, type Parameters } from "./placeholder.ts";
import { failurePolicyShape, metadataShape, stepFromTool, stepShape, tagsShape } from "./step-shape.ts";
import type { FailurePolicy, StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/**
 * The second door of this room, for whoever reads workflows from outside: template files and the arguments of tools.
 * It is apart from `index.ts`, because it loads zod, which the scheduler's thread does without.
 */
export { definitionFromTool, toolWorkflowShape } from "./step-shape.ts";

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

/** A workflow with blanks. */
export interface Template {
  readonly templateId: string;
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly parameters: readonly TemplateParameter[];
  /** As written, placeholders included. */
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly onFailure: FailurePolicy;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, Wire>>;
}

const parameterShape = z.strictObject({
  name: z.string().regex(/^\w{1,64}$/),
  type: z.enum(TYPES),
  description: z.string().default(""),
  default: z.unknown().optional(),
  required: z.boolean().default(true),
  validation: z.string().max(LIMITS.workflow.patternChars).nullish(),
});

const fileShape = z.strictObject({
  template_id: z.string().min(1).max(LIMITS.workflow.templateIdChars),
  name: z.string().min(1).max(LIMITS.workflow.nameChars),
  description: z.string().default(""),
  version: z.string().min(1).default("1.0.0"),
  parameters: z.array(parameterShape).default([]),
  steps: z.array(z.record(z.string(), z.unknown())).min(1),
  on_failure: failurePolicyShape,
  tags: tagsShape,
  metadata: metadataShape,
  includes: z
    .array(z.string())
    .default([])
    .refine(
      (names) => names.length === 0,
      "including other templates is not part of this version; leave it out",
    ),
});

/**
 * Reads a template file (JSON) and checks everything that can be known before the parameters are.
 *
 * @param source what the template is called in messages: its path
 * @throws TEMPLATE_INVALID listing all problems
 */
export function parseTemplate(text: string, source: string): Template {
  const invalid = (problems: readonly string[]): Error =>
    fault("TEMPLATE_INVALID", { template: source, problems });
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw invalid([`it is no JSON: ${sentenceOf(error)}`]);
  }
  const checked = check(fileShape, file);
  if (checked.problems) throw invalid(checked.problems);
  const { value } = checked;
  const template: Template = {
    templateId: value.template_id,
    name: value.name,
    description: value.description,
    version: value.version,
    parameters: value.parameters.map((each) => ({
      ...each,
      default: each.default,
      validation: each.validation ?? undefined,
    })),
    steps: value.steps,
    onFailure: value.on_failure,
    tags: value.tags,
    metadata: value.metadata as Record<string, Wire>,
  };
  const found = [...checkParameters(template.parameters), ...checkSteps(template)];
  if (found.length > 0) throw invalid(found);
  return template;
}

/**
 * Fills the blanks of a template, once.
 *
 * @param given by parameter name; what is left out has its default
 * @throws TEMPLATE_INVALID listing all problems of the parameters, or of the workflow that they make
 */
export function instantiate(
  template: Template,
  given: Readonly<Record<string, unknown>>,
  workflowId: string,
): WorkflowDefinition {
  const problems: string[] = [];
  const parameters = resolveParameters(template.parameters, given, problems);
  if (problems.length > 0) throw fault("TEMPLATE_INVALID", { template: template.templateId, problems });
  const steps: StepDefinition[] = [];
  for (const [at, raw] of template.steps.entries()) {
    const filled = check(stepShape, fillStep(raw, at, parameters, problems), `steps[${at}]`);
    if (filled.problems) problems.push(...filled.problems);
    else steps.push(stepFromTool(filled.value));
  }
  const definition: WorkflowDefinition = {
    workflowId,
    name: template.name,
    steps,
    onFailure: template.onFailure,
    priority: 1,
    tags: template.tags,
    metadata: {
      ...template.metadata,
      template_id: template.templateId,
      template_version: template.version,
      instantiated_from_template: true,
    },
  };
  const checked = problems.length === 0 ? checkDefinition(definition) : { ok: false as const, problems };
  if (!checked.ok)
    throw fault("TEMPLATE_INVALID", { template: template.templateId, problems: checked.problems });
  return definition;
}

function fillStep(
  raw: Readonly<Record<string, unknown>>,
  at: number,
  parameters: Parameters,
  problems: string[],
): Record<string, unknown> {
  const entries = Object.entries(raw).map(([key, value]) => {
    const place = { name: `steps[${at}].${key}`, isInput: key === "inputs" };
    return [key, substitute(value, parameters, place, problems)] as const;
  });
  return Object.fromEntries(entries);
}

function checkParameters(parameters: readonly TemplateParameter[]): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const parameter of parameters) {
    const { name, validation } = parameter;
    if (seen.has(name)) problems.push(`parameter "${name}" is declared twice`);
    seen.add(name);
    if (validation !== undefined && !isPattern(validation)) {
      problems.push(`the validation of parameter "${name}" is no regular expression: ${validation}`);
    } else if (parameter.default !== undefined && parameter.default !== null) {
      const problem = misfit(parameter, parameter.default);
      if (problem !== undefined) problems.push(`the default of ${problem}`);
    }
  }
  return problems;
}

/** Placeholders against the declared parameters, and every field that holds none against its shape. */
function checkSteps({ parameters, steps }: Template): string[] {
  const problems: string[] = [];
  const blanks: Parameters = new Map(parameters.map(({ name }) => [name, ""]));
  for (const [at, raw] of steps.entries()) {
    fillStep(raw, at, blanks, problems);
    const open = Object.keys(raw).filter((key) => key in stepShape.shape && isOpen(raw[key]));
    const unchecked = Object.fromEntries(open.map((key) => [key, z.unknown()]));
    const shape = z.strictObject({ ...stepShape.shape, ...unchecked });
    problems.push(...(check(shape, raw, `steps[${at}]`).problems ?? []));
  }
  return problems;
}

function resolveParameters(
  declared: readonly TemplateParameter[],
  given: Readonly<Record<string, unknown>>,
  problems: string[],
): Parameters {
  const names = declared.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      problems.push(`there is no parameter "${name}"; there are: ${names.join(", ") || "none"}`);
  }
  const values = new Map<string, unknown>();
  for (const parameter of declared) {
    const { name, required } = parameter;
    // A null that was given is an answer, and no reason to fall back to the default.
    const value = (Object.hasOwn(given, name) ? given[name] : parameter.default) ?? null;
    const problem = value === null ? undefined : misfit(parameter, value);
    if (value === null && required) problems.push(`parameter "${name}" is required`);
    else if (problem !== undefined) problems.push(problem);
    values.set(name, value);
  }
  return values;
}

/** Undefined when the value fits. */
function misfit({ name, type, validation }: TemplateParameter, value: unknown): string | undefined {
  const actual = Array.isArray(value) ? "array" : typeof value;
  const article = /^[aeiou]/.test(type) ? "an" : "a";
  if (actual !== type || Number.isNaN(value))
    return `parameter "${name}" is no ${type}: ${article} ${type} is needed, ${actual} was given`;
  if (typeof value !== "string" || validation === undefined) return undefined;
  return matches(validation, value) ? undefined : `parameter "${name}" does not match ${validation}`;
}

const anchored = (pattern: string): string => `^(?:${pattern})`;

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(anchored(pattern), "u").source !== "";
  } catch {
    return false;
  }
}

/** In a context of its own, because only there an expression that backtracks for ever can be stopped. */
function matches(pattern: string, text: string): boolean {
  try {
    const scope = { pattern: anchored(pattern), text };
    return (
      runInNewContext('new RegExp(pattern, "u").test(text)', scope, {
        timeout: LIMITS.workflow.patternMs,
      }) === true
    );
  } catch {
    return false;
  }
}
