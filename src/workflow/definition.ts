import { LIMITS } from "../errors/index.ts";
import { isName, nameRule } from "../schema/index.ts";
import { buildDag, unrelated, type Dag } from "./dag.ts";
import { findReferences } from "./reference.ts";
import { formatTaskId } from "./task-id.ts";
import type { StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

const POLICIES: readonly string[] = ["skip_dependents", "fail_fast", "ignore"];

export type CheckedDefinition =
  { readonly ok: true; readonly dag: Dag } | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Everything that is wrong with a definition, each problem one sentence, or its graph.
 *
 * @param actions names of the handlers there are; undefined leaves that unchecked
 */
export function checkDefinition(
  definition: WorkflowDefinition,
  actions?: ReadonlySet<string>,
): CheckedDefinition {
  const misshapen = checkShape(definition);
  if (misshapen.length > 0) return { ok: false, problems: cut(misshapen) };
  const graph = buildDag(definition.steps);
  const lists = [checkHead(definition), graph.ok ? [] : graph.problems];
  if (definition.steps.length <= LIMITS.workflow.steps) {
    for (const step of definition.steps) lists.push(checkStep(step, definition.workflowId));
    if (actions !== undefined) lists.push(checkActions(definition.steps, actions));
    lists.push(checkReferences(definition.steps, graph.ok ? graph.dag : undefined));
  }
  const problems = lists.flat();
  if (problems.length > 0) return { ok: false, problems: cut(problems) };
  return graph;
}

/** Types do not bind a program in plain JavaScript, and a broken definition must not break the scheduler. */
function checkShape(definition: unknown): string[] {
  if (!isObject(definition)) return ["it is no object"];
  const { workflowId, name, tags, steps, metadata } = definition;
  const problems: string[] = [];
  if (typeof workflowId !== "string") problems.push("the workflow id is no text");
  if (typeof name !== "string") problems.push("the name is no text");
  if (!isTexts(tags)) problems.push("the tags are no array of texts");
  if (!isObject(metadata)) problems.push("the metadata is no object");
  if (!Array.isArray(steps)) return [...problems, "the steps are no array"];
  for (const [at, step] of (steps as unknown[]).entries()) {
    const where = `the step at position ${at}`;
    if (!isObject(step)) problems.push(`${where} is no object`);
    else if (typeof step["stepId"] !== "string") problems.push(`the id of ${where} is no text`);
    else if (typeof step["action"] !== "string") problems.push(`the action of ${where} is no text`);
    else if (!isObject(step["inputs"])) problems.push(`the inputs of ${where} are no object`);
    else if (!isTexts(step["dependsOn"])) problems.push(`the dependencies of ${where} are no array of texts`);
  }
  return problems;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

function cut(problems: readonly string[]): readonly string[] {
  const shown = LIMITS.workflow.problems;
  if (problems.length <= shown) return problems;
  return [...problems.slice(0, shown), `and ${problems.length - shown} more problems`];
}

function checkHead({ workflowId, name, onFailure, priority, tags }: WorkflowDefinition): string[] {
  const { idChars, nameChars, tags: tagsMax, tagChars } = LIMITS.workflow;
  const { priority: priorityMax } = LIMITS.queue;
  const problems: string[] = [];
  if (!isName(workflowId, idChars)) problems.push(`the workflow id needs ${nameRule(idChars)}`);
  if (!isName(name, nameChars)) problems.push(`the name needs ${nameRule(nameChars)}`);
  if (!POLICIES.includes(onFailure)) {
    problems.push(`on_failure is "${onFailure}"; allowed is ${POLICIES.join(", ")}`);
  }
  problems.push(...checkNumber("priority", priority, -priorityMax, priorityMax, false));
  if (tags.length > tagsMax) problems.push(`it has ${tags.length} tags; at most ${tagsMax} are allowed`);
  else if (!tags.every((tag) => isName(tag, tagChars))) problems.push(`each tag needs ${nameRule(tagChars)}`);
  return problems;
}

function checkStep(step: StepDefinition, workflowId: string): string[] {
  const { priority, timeoutMs, attempts, nameChars } = LIMITS.queue;
  const problems = [
    ...checkNumber("priority", step.priority, -priority, priority, false),
    ...checkNumber("timeout in milliseconds", step.timeoutMs, 1, timeoutMs, true),
    ...checkNumber("attempts", step.attempts, 1, attempts, true),
    ...checkNumber("cache lifetime in milliseconds", step.cacheTtlMs, 0, LIMITS.cache.ttlMs, true),
  ];
  if (!isName(step.action, nameChars)) problems.push(`the action needs ${nameRule(nameChars)}`);
  if (workflowId.isWellFormed() && step.stepId.isWellFormed()) {
    const { length } = formatTaskId({ workflowId, stepId: step.stepId, index: 0, generation: 0 });
    if (length > nameChars) {
      problems.push(
        `the ids of workflow and step, encoded as "run/step/0/0", have ${length} characters; at most ${nameChars} are allowed`,
      );
    }
  }
  return problems.map((problem) => `step "${step.stepId}": ${problem}`);
}

function checkActions(steps: readonly StepDefinition[], actions: ReadonlySet<string>): string[] {
  const unknown = steps.filter(({ action }) => !actions.has(action));
  if (unknown.length === 0) return [];
  const known = [...actions].toSorted().join(", ");
  return unknown.map(
    ({ stepId, action }) => `step "${stepId}": there is no action "${action}"; there are: ${known}`,
  );
}

/** A reference may only point back along the edges: else its step could start before there is an output. */
function checkReferences(steps: readonly StepDefinition[], dag: Dag | undefined): string[] {
  const problems: string[] = [];
  const indices = new Map(steps.map(({ stepId }, at) => [stepId, at]));
  const pairs: { step: number; target: number; problem: string }[] = [];
  steps.forEach(({ stepId, inputs }, step) => {
    const found = findReferences(inputs);
    for (const problem of found.problems) problems.push(`step "${stepId}": ${problem}`);
    for (const { place, reference } of found.references) {
      const target = indices.get(reference.stepId);
      const where = `step "${stepId}": ${place} refers to step "${reference.stepId}"`;
      if (target === undefined) problems.push(`${where}, which is no step of this workflow`);
      else if (target === step) problems.push(`${where}, which is itself`);
      else pairs.push({ step, target, problem: `${where} without depending on it; name it in depends_on` });
    }
  });
  const apart = dag === undefined ? [] : unrelated(dag, pairs);
  return [...problems, ...apart.map(({ problem }) => problem)];
}

function checkNumber(
  what: string,
  value: number | undefined,
  min: number,
  max: number,
  whole: boolean,
): string[] {
  if (value === undefined) return [];
  // Written so that NaN is outside.
  if (typeof value === "number" && value >= min && value <= max && (!whole || Number.isInteger(value)))
    return [];
  return [
    `the ${what} is ${value}; allowed is ${whole ? "a whole number" : "a number"} from ${min} to ${max}`,
  ];
}
