import { buildDag, DAG_LIMITS, unrelated, type Dag } from "./dag.ts";
import { findReferences } from "./reference.ts";
import { formatTaskId } from "./task-id.ts";
import type { StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/** What a definition may hold. Step and edge counts are the graph's own. */
export const WORKFLOW_LIMITS = Object.freeze({
  ...DAG_LIMITS,
  nameChars: 1_000,
  tags: 100,
  tagChars: 256,
  /** Characters of a step's task id in the queue: the names of run and step, encoded. */
  taskIdChars: 512,
  actionChars: 512,
  /** Priorities reach from minus this to plus this. */
  priority: 1_000_000,
  attempts: 100,
  /** Seven days. */
  timeoutMs: 604_800_000,
  /** Ten years. */
  cacheTtlMs: 315_360_000_000,
  /** A report of more problems is cut and says so. */
  problems: 100,
});

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
  if (definition.steps.length <= WORKFLOW_LIMITS.steps) {
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
  const shown = WORKFLOW_LIMITS.problems;
  if (problems.length <= shown) return problems;
  return [...problems.slice(0, shown), `and ${problems.length - shown} more problems`];
}

function checkHead({ workflowId, name, onFailure, priority, tags }: WorkflowDefinition): string[] {
  const { idChars, nameChars, tags: tagsMax, tagChars } = WORKFLOW_LIMITS;
  const problems: string[] = [];
  if (!isName(workflowId, idChars)) problems.push(`the workflow id needs ${textOf(idChars)}`);
  if (!isName(name, nameChars)) problems.push(`the name needs ${textOf(nameChars)}`);
  if (!POLICIES.includes(onFailure)) {
    problems.push(`on_failure is "${onFailure}"; allowed is ${POLICIES.join(", ")}`);
  }
  problems.push(
    ...checkNumber("priority", priority, -WORKFLOW_LIMITS.priority, WORKFLOW_LIMITS.priority, false),
  );
  if (tags.length > tagsMax) problems.push(`it has ${tags.length} tags; at most ${tagsMax} are allowed`);
  else if (!tags.every((tag) => isName(tag, tagChars))) problems.push(`each tag needs ${textOf(tagChars)}`);
  return problems;
}

function checkStep(step: StepDefinition, workflowId: string): string[] {
  const { priority, timeoutMs, attempts, cacheTtlMs, actionChars, taskIdChars } = WORKFLOW_LIMITS;
  const problems = [
    ...checkNumber("priority", step.priority, -priority, priority, false),
    ...checkNumber("timeout in milliseconds", step.timeoutMs, 1, timeoutMs, true),
    ...checkNumber("attempts", step.attempts, 1, attempts, true),
    ...checkNumber("cache lifetime in milliseconds", step.cacheTtlMs, 0, cacheTtlMs, true),
  ];
  if (!isName(step.action, actionChars)) problems.push(`the action needs ${textOf(actionChars)}`);
  if (workflowId.isWellFormed() && step.stepId.isWellFormed()) {
    const { length } = formatTaskId({ workflowId, stepId: step.stepId, index: 0, generation: 0 });
    if (length > taskIdChars) {
      problems.push(
        `the ids of workflow and step, encoded as "run/step/0/0", have ${length} characters; at most ${taskIdChars} are allowed`,
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

const textOf = (charsMax: number): string => `1 to ${charsMax} characters of well-formed text without NUL`;

const isName = (text: string, charsMax: number): boolean =>
  text.length >= 1 && text.length <= charsMax && text.isWellFormed() && !text.includes("\0");

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
