import { LIMITS } from "../errors/index.ts";
import { isName, nameRule, shortText } from "../schema/index.ts";
import { longestTaskId } from "./task-id.ts";
import { parseText } from "./reference.ts";
import type { ForEach, StepDefinition } from "./workflow.protocol.ts";

const ITEMS_DEFAULT = 1_000;

/** The last moment that a date can name, in milliseconds since 1970. */
export const TIME_MS_MAX = 8.64e15;

const SHAPES: readonly unknown[] = ["none", "fixed", "linear", "exponential"];

/**
 * What is wrong with one step by itself, each problem one sentence. Its shape has been checked.
 *
 * @param checkExpression what is wrong with the syntax of an expression; undefined = that is not checked
 */
export function checkStep(
  step: StepDefinition,
  workflowId: string,
  checkExpression: ((text: string) => string | undefined) | undefined,
): string[] {
  const { priority, timeoutMs, attempts, nameChars } = LIMITS.queue;
  const problems = [
    ...checkNumber("priority", step.priority, -priority, priority, false),
    ...checkNumber("timeout in milliseconds", step.timeoutMs, 1, timeoutMs, true),
    ...checkNumber("attempts", step.attempts, 1, attempts, true),
    ...checkBackoff(step.backoff),
    ...checkNumber("deadline in milliseconds", step.deadlineMs, 0, TIME_MS_MAX, false),
    ...checkNumber("cache lifetime in milliseconds", step.cacheTtlMs, 0, LIMITS.cache.ttlMs, true),
    ...checkForEach(step.forEach),
    ...checkCondition(step.when, checkExpression),
  ];
  if (step.compensate !== undefined && !isName(step.compensate.action, nameChars))
    problems.push(`the action of its compensation needs ${nameRule(nameChars)}`);
  // The outputs of a run are the members of an object.
  if (step.stepId === "__proto__") problems.push("its id cannot be the name of an output");
  if (!isName(step.action, nameChars)) problems.push(`the action needs ${nameRule(nameChars)}`);
  if (workflowId.isWellFormed() && step.stepId.isWellFormed()) {
    const { length } = longestTaskId(workflowId, step.stepId);
    if (length > nameChars) {
      problems.push(
        `the ids of workflow and step, encoded as the id of a task, have up to ${length} characters; at most ${nameChars} are allowed`,
      );
    }
  }
  return problems.map((problem) => `step "${step.stepId}": ${problem}`);
}

function checkBackoff(backoff: StepDefinition["backoff"]): string[] {
  if (backoff === undefined) return [];
  const { shape, delayMs, factor, maxDelayMs, jitter } = backoff;
  const { delayMs: most, backoffFactor } = LIMITS.queue;
  const problems = [
    ...checkNumber("backoff's delay in milliseconds", delayMs, 0, most, false),
    ...checkNumber("backoff's longest delay in milliseconds", maxDelayMs, 0, most, false),
    ...checkNumber("backoff's factor", factor, 1, backoffFactor, false),
    ...checkNumber("backoff's jitter", jitter, 0, 1, false),
  ];
  if (shape !== undefined && !SHAPES.includes(shape))
    problems.push(`the backoff's shape is ${shortText(shape)}; allowed is ${SHAPES.join(", ")}`);
  return problems;
}

function checkCondition(
  when: string | undefined,
  checkExpression: ((text: string) => string | undefined) | undefined,
): string[] {
  if (when === undefined) return [];
  const { checkedChars } = LIMITS.compute;
  if (when.length === 0 || when.length > checkedChars)
    return [`the condition has ${when.length} characters; allowed is 1 to ${checkedChars}`];
  const problem = checkExpression?.(when);
  return problem === undefined ? [] : [`the condition cannot be read: ${problem}`];
}

function checkForEach(forEach: StepDefinition["forEach"]): string[] {
  if (forEach === undefined) return [];
  const { items, maxItems, maxConcurrent } = forEach;
  const most = LIMITS.workflow.items;
  const problems = [
    ...checkNumber("most items", maxItems, 1, most, true),
    ...checkNumber("maximum of items at a time", maxConcurrent, 1, most, true),
  ];
  if (Array.isArray(items)) {
    const allowed = itemsMax(forEach);
    if (items.length > allowed) problems.push(`it has ${items.length} items; at most ${allowed} are allowed`);
  } else if (typeof items !== "string" || !isOneReference(items))
    problems.push("the items are neither a list nor a text that is exactly one reference");
  return problems;
}

function isOneReference(text: string): boolean {
  const parsed = parseText(text);
  // What is malformed is told with all other references.
  return !parsed.ok || (parsed.segments.length === 1 && typeof parsed.segments[0] !== "string");
}

/** Items that a step may fan out to. */
export const itemsMax = ({ maxItems = ITEMS_DEFAULT }: ForEach): number => maxItems;

/** @param whole only whole numbers are allowed */
export function checkNumber(
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
    `the ${what} is ${shortText(value)}; allowed is ${whole ? "a whole number" : "a number"} from ${min} to ${max}`,
  ];
}
