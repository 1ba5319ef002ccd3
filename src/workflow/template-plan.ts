import type { Wire } from "../schema/index.ts";
import { checkPlaces, z } from "../schema/zod-schema.ts";
import { checkDefinition } from "./definition.ts";
import { compileValue, isOpen, type Fill, type Filled, type Parameters, type Reader } from "./placeholder.ts";
import { stepFromTool, stepShape } from "./step-shape.ts";
import { longestTaskId } from "./task-id.ts";
import { checkParameters, resolveParameters } from "./template-parameters.ts";
import { frozen, type Template } from "./template-shape.ts";
import { invalid, type Problem } from "./template-source.ts";
import type { StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/**
 * A template as it is filled: what does not depend on the parameters was made, and checked, once. Most templates have
 * blanks in inputs only; then nothing is left to check of a step but what was put in.
 */
interface Plan {
  readonly problems: readonly Problem[];
  readonly steps: readonly StepPlan[];
  /** True when no parameter can change the graph, the references or a field that has bounds. */
  readonly isChecked: boolean;
  /** The step whose tasks have the longest ids, alone: what the id of the workflow is held against. */
  readonly longest: StepDefinition | undefined;
}

type StepPlan =
  | { readonly step: StepDefinition; readonly fillInputs: Fill | undefined }
  | { readonly step?: undefined; readonly fields: readonly (readonly [string, Filled])[] };

/** Fields whose text is read by something when the workflow runs. */
const READERS: Readonly<Record<string, Reader>> = {
  inputs: "references",
  for_each: "references",
  compensate: "references",
  when: "expression",
};

/** Templates are frozen, so what was made of one stays right. */
const plans = new WeakMap<Template, Plan>();

function planOf(template: Template): Plan {
  let plan = plans.get(template);
  if (!plan) plans.set(template, (plan = compileTemplate(template)));
  return plan;
}

/** Everything that is wrong with a template whatever the parameters are, each problem once. */
export const templateProblems = (template: Template): readonly Problem[] => planOf(template).problems;

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
  const plan = planOf(template);
  const texts = (problems: readonly Problem[]): string[] => problems.map(({ text }) => text);
  if (plan.problems.length > 0) throw invalid(template.templateId, texts(plan.problems));
  const misfits: string[] = [];
  const parameters = resolveParameters(template, given, misfits);
  if (misfits.length > 0) throw invalid(template.templateId, misfits);
  const problems: Problem[] = [];
  const steps: StepDefinition[] = [];
  for (const [at, step] of plan.steps.entries()) {
    const filled = fillStep(step, at, parameters, problems);
    if (filled) steps.push(filled);
  }
  if (problems.length > 0) throw invalid(template.templateId, texts(problems));
  const definition = definitionOf(template, steps, workflowId);
  const { isChecked, longest } = plan;
  const checked = checkDefinition(isChecked && longest ? { ...definition, steps: [longest] } : definition);
  if (!checked.ok) throw invalid(template.templateId, checked.problems);
  return definition;
}

function definitionOf(
  template: Template,
  steps: readonly StepDefinition[],
  workflowId: string,
): WorkflowDefinition {
  return {
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
}

function fillStep(
  plan: StepPlan,
  at: number,
  parameters: Parameters,
  problems: Problem[],
): StepDefinition | undefined {
  if (plan.step) {
    const { step, fillInputs } = plan;
    // A parameter has passed as JSON of its type, and is a wire value like the rest.
    return fillInputs ? { ...step, inputs: fillInputs(parameters, problems) as Record<string, Wire> } : step;
  }
  const fields = plan.fields.map(([key, { constant, fill }]) => [
    key,
    fill ? fill(parameters, problems) : constant,
  ]);
  const checked = checkPlaces(stepShape, Object.fromEntries(fields), `steps[${at}]`);
  if (!checked.problems) return stepFromTool(checked.value);
  problems.push(...checked.problems);
  return undefined;
}

function compileTemplate(template: Template): Plan {
  const problems = checkParameters(template.parameters);
  const known = new Set(template.parameters.map(({ name }) => name));
  let isChecked = true;
  const onOpenReference = (): void => void (isChecked = false);
  const steps = template.steps.map((raw, at) => {
    const fields = Object.entries(raw).map(([key, value]) => {
      const reader = READERS[key] ?? "nothing";
      const place = { path: ["steps", at, key], name: `steps[${at}].${key}`, reader };
      return [key, compileValue(value, place, { known, problems, onOpenReference })] as const;
    });
    problems.push(...shapeProblems(raw, at));
    return planStep(raw, fields);
  });
  const made = steps.flatMap(({ step }) => step ?? []);
  isChecked &&= problems.length === 0 && made.length === steps.length;
  if (isChecked) problems.push(...graphProblems(template, steps));
  return { problems, steps, isChecked, longest: isChecked ? longestOf(made) : undefined };
}

/** What is wrong with a template that includes others, as far as it can be known without them. */
export const ownProblems = ({ parameters, steps }: Template): readonly Problem[] => [
  ...checkParameters(parameters),
  ...steps.flatMap(shapeProblems),
];

/** Every field that holds no blank against its shape. */
function shapeProblems(raw: Readonly<Record<string, unknown>>, at: number): readonly Problem[] {
  const open = Object.keys(stepShape.shape).filter((key) => isOpen(raw[key]));
  const { problems = [] } = checkPlaces(open.length === 0 ? stepShape : shapeBut(open), raw, `steps[${at}]`);
  return problems.map(({ path, text }) => ({ path: ["steps", at, ...path], text }));
}

/** By the fields that are left out: making one takes a hundred times as long as using it. */
const shapes = new Map<string, z.ZodType>();
const SHAPES_MAX = 64;

/** The shape of a step, with fields that are not looked at. */
function shapeBut(fields: readonly string[]): z.ZodType {
  const id = fields.join();
  const known = shapes.get(id);
  if (known) return known;
  const unchecked = Object.fromEntries(fields.map((key) => [key, z.unknown()]));
  const shape = z.strictObject({ ...stepShape.shape, ...unchecked });
  if (shapes.size >= SHAPES_MAX) shapes.clear();
  shapes.set(id, shape);
  return shape;
}

function planStep(
  { inputs }: Readonly<Record<string, unknown>>,
  fields: readonly (readonly [string, Filled])[],
): StepPlan {
  const blanks = fields.filter(([, { fill }]) => fill !== undefined);
  const fillInputs = blanks.find(([key]) => key === "inputs")?.[1].fill;
  // What is put in as the whole of the inputs may be anything.
  const isInputsOnly = blanks.length === (fillInputs ? 1 : 0) && typeof inputs !== "string";
  if (!isInputsOnly) return { fields };
  const constants = fields.map(([key, { fill, constant }]) => [key, fill ? {} : constant]);
  const checked = stepShape.safeParse(Object.fromEntries(constants));
  return checked.success ? { step: frozen(stepFromTool(checked.data)), fillInputs } : { fields };
}

/** The graph and its references, with nothing put in. */
function graphProblems(template: Template, plans: readonly StepPlan[]): readonly Problem[] {
  const blanks = new Map(template.parameters.map(({ name }) => [name, ""]));
  const steps = plans.flatMap((plan, at) => fillStep(plan, at, blanks, []) ?? []);
  const checked = checkDefinition(definitionOf(template, steps, "w"));
  if (checked.ok) return [];
  return checked.problems.map((text) => {
    const [, stepId] = /step "([^"]*)"/.exec(text) ?? [];
    const at = steps.findIndex((step) => step.stepId === stepId);
    return { path: at < 0 ? [] : ["steps", at], text };
  });
}

function longestOf(steps: readonly StepDefinition[]): StepDefinition | undefined {
  const lengthOf = ({ stepId }: StepDefinition): number => longestTaskId("", stepId).length;
  let longest = steps[0];
  let length = 0;
  for (const step of steps) {
    const own = step.stepId.isWellFormed() ? lengthOf(step) : 0;
    if (own > length) [longest, length] = [step, own];
  }
  return longest && { stepId: longest.stepId, action: longest.action, inputs: {}, dependsOn: [] };
}
