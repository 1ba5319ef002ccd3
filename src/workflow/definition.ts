import { LIMITS } from "../errors/index.ts";
import { isName, nameRule, shortText } from "../schema/index.ts";
import { buildDag, unrelated, type Dag } from "./dag.ts";
import { findReferences } from "./reference.ts";
import { TIME_MS_MAX, checkNumber, checkStep } from "./step-check.ts";
import type { StepDefinition, WorkflowDefinition } from "./workflow.protocol.ts";

/** More than that one run never has at a time. */
const TASKS_MAX = 1_000_000;
const POLICIES: readonly string[] = ["skip_dependents", "fail_fast", "ignore"];

export type CheckedDefinition =
  | { readonly ok: true; readonly dag: Dag }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a definition is held against beside the limits; what is left out is not checked. */
export interface DefinitionContext {
  /** Names of the handlers there are. */
  readonly actions?: Pick<ReadonlySet<string>, "has" | "keys">;
  /** Is there a run of this id? */
  readonly isRun?: (workflowId: string) => boolean;
  /** What is wrong with the syntax of an expression; undefined = nothing. */
  readonly checkExpression?: (text: string) => string | undefined;
}

/** Everything that is wrong with a definition, each problem one sentence, or its graph. */
export function checkDefinition(
  definition: WorkflowDefinition,
  { actions, isRun = () => true, checkExpression }: DefinitionContext = {},
): CheckedDefinition {
  const misshapen = checkShape(definition);
  if (misshapen.length > 0) return { ok: false, problems: cut(misshapen) };
  const graph = buildDag(definition.steps);
  const lists = [checkHead(definition), checkWaits(definition, isRun), graph.ok ? [] : graph.problems];
  if (definition.steps.length <= LIMITS.workflow.steps) {
    for (const step of definition.steps) lists.push(checkStep(step, definition.workflowId, checkExpression));
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
  const { workflowId, name, tags, steps, metadata, dependencies } = definition;
  const problems: string[] = [];
  if (typeof workflowId !== "string") problems.push("the workflow id is no text");
  if (typeof name !== "string") problems.push("the name is no text");
  if (!isTexts(tags)) problems.push("the tags are no array of texts");
  if (dependencies !== undefined && !isTexts(dependencies)) {
    problems.push("the dependencies of the workflow are no array of texts");
  }
  if (!isObject(metadata)) problems.push("the metadata is no object");
  if (!Array.isArray(steps)) return [...problems, "the steps are no array"];
  for (const [at, step] of (steps as unknown[]).entries()) {
    const where = `the step at position ${at}`;
    if (!isObject(step)) problems.push(`${where} is no object`);
    else if (typeof step["stepId"] !== "string") problems.push(`the id of ${where} is no text`);
    else if (typeof step["action"] !== "string") problems.push(`the action of ${where} is no text`);
    else if (!isObject(step["inputs"])) problems.push(`the inputs of ${where} are no object`);
    else if (!isTexts(step["dependsOn"])) problems.push(`the dependencies of ${where} are no array of texts`);
    else if (step["backoff"] !== undefined && !isObject(step["backoff"]))
      problems.push(`the backoff of ${where} is no object`);
    else if (step["when"] !== undefined && typeof step["when"] !== "string")
      problems.push(`the condition of ${where} is no text`);
    else if (step["forEach"] !== undefined && !isObject(step["forEach"]))
      problems.push(`the fan-out of ${where} is no object`);
    else if (step["compensate"] !== undefined) problems.push(...checkUndoShape(step["compensate"], where));
  }
  return problems;
}

function checkUndoShape(compensate: unknown, where: string): string[] {
  if (!isObject(compensate)) return [`the compensation of ${where} is no object`];
  const problems: string[] = [];
  if (typeof compensate["action"] !== "string")
    problems.push(`the action of the compensation of ${where} is no text`);
  if (!isObject(compensate["inputs"]))
    problems.push(`the inputs of the compensation of ${where} are no object`);
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

function checkHead(definition: WorkflowDefinition): string[] {
  const { workflowId, name, onFailure, priority, tags } = definition;
  const { maxConcurrency, deadlineMs, timeoutMs, idempotencyKey } = definition;
  const { idChars, nameChars, tags: tagsMax, tagChars } = LIMITS.workflow;
  const { priority: priorityMax, nameChars: keyChars } = LIMITS.queue;
  const problems: string[] = [];
  if (!isName(workflowId, idChars)) problems.push(`the workflow id needs ${nameRule(idChars)}`);
  if (!isName(name, nameChars)) problems.push(`the name needs ${nameRule(nameChars)}`);
  if (!POLICIES.includes(onFailure)) {
    problems.push(`on_failure is ${shortText(onFailure)}; allowed is ${POLICIES.join(", ")}`);
  }
  problems.push(
    ...checkNumber("priority", priority, -priorityMax, priorityMax, false),
    ...checkNumber("maximum of tasks at a time", maxConcurrency, 1, TASKS_MAX, true),
    ...checkNumber("deadline in milliseconds", deadlineMs, 0, TIME_MS_MAX, false),
    ...checkNumber("timeout in milliseconds", timeoutMs, 1, LIMITS.workflow.timeoutMs, true),
  );
  if (idempotencyKey !== undefined && !isName(idempotencyKey, keyChars)) {
    problems.push(`the idempotency key needs ${nameRule(keyChars)}`);
  }
  if (tags.length > tagsMax) problems.push(`it has ${tags.length} tags; at most ${tagsMax} are allowed`);
  else if (!tags.every((tag) => isName(tag, tagChars))) problems.push(`each tag needs ${nameRule(tagChars)}`);
  return problems;
}

function checkWaits({ dependencies = [] }: WorkflowDefinition, isRun: (id: string) => boolean): string[] {
  const most = LIMITS.workflow.dependencies;
  if (dependencies.length > most)
    return [`it waits for ${dependencies.length} workflows; at most ${most} are allowed`];
  const unknown = [...new Set(dependencies)].filter((id) => !isRun(id));
  return unknown.map((id) => `it waits for the workflow "${id}", which there is not`);
}

function checkActions(
  steps: readonly StepDefinition[],
  actions: NonNullable<DefinitionContext["actions"]>,
): string[] {
  const unknown = steps.flatMap(({ stepId, action, compensate }) => {
    const named = compensate === undefined ? [action] : [action, compensate.action];
    return named.filter((name) => !actions.has(name)).map((name) => ({ stepId, name }));
  });
  if (unknown.length === 0) return [];
  const known = [...actions.keys()].toSorted().join(", ");
  return unknown.map(
    ({ stepId, name }) => `step "${stepId}": there is no action "${name}"; there are: ${known}`,
  );
}

/** A reference may only point back along the edges: else its step could start before there is an output. */
function checkReferences(steps: readonly StepDefinition[], dag: Dag | undefined): string[] {
  const problems: string[] = [];
  const indices = new Map(steps.map(({ stepId }, at) => [stepId, at]));
  const pairs: { step: number; target: number; problem: string }[] = [];
  steps.forEach(({ stepId, inputs, forEach, compensate }, step) => {
    const ofInputs = findReferences(inputs);
    const ofItems = findReferences(forEach?.items ?? null, "for_each.items");
    const ofUndo = findReferences(compensate?.inputs ?? null, "compensate.inputs");
    const astray = [...(forEach === undefined ? ofInputs.ofItems : ofItems.ofItems), ...ofUndo.ofItems];
    for (const { place, text } of astray)
      problems.push(`step "${stepId}": ${place} refers to ${text}, which only the inputs of a fan-out can`);
    for (const problem of [...ofInputs.problems, ...ofItems.problems, ...ofUndo.problems])
      problems.push(`step "${stepId}": ${problem}`);
    for (const found of [ofInputs, ofItems, ofUndo]) {
      for (const { place, reference } of found.references) {
        const target = indices.get(reference.stepId);
        const where = `step "${stepId}": ${place} refers to step "${reference.stepId}"`;
        if (target === undefined) problems.push(`${where}, which is no step of this workflow`);
        else if (target !== step)
          pairs.push({ step, target, problem: `${where} without depending on it; name it in depends_on` });
        // What undoes a step may look at what it has done.
        else if (found !== ofUndo) problems.push(`${where}, which is itself`);
      }
    }
  });
  const apart = dag === undefined ? [] : unrelated(dag, pairs);
  return [...problems, ...apart.map(({ problem }) => problem)];
}
