import { Script, createContext, type Context } from "node:vm";
import { LIMITS } from "../errors/index.ts";
import type { Parameters } from "./placeholder.ts";
import type { Template, TemplateParameter } from "./template-shape.ts";
import type { Problem } from "./template-source.ts";

/** What is wrong with the parameters as they are declared. */
export function checkParameters(parameters: readonly TemplateParameter[]): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [at, parameter] of parameters.entries()) {
    const { name, validation } = parameter;
    const refuse = (key: string, text: string): void =>
      void problems.push({ path: ["parameters", at, key], text });
    if (seen.has(name)) refuse("name", `parameter "${name}" is declared twice`);
    seen.add(name);
    if (validation !== undefined && !isPattern(validation)) {
      refuse("validation", `the validation of parameter "${name}" is no regular expression: ${validation}`);
    } else if (parameter.default !== undefined && parameter.default !== null) {
      const problem = misfit(parameter, parameter.default);
      if (problem !== undefined) refuse("default", `the default of ${problem}`);
    }
  }
  return problems;
}

/** The value of every declared parameter; what is wrong with those that were given is told to `problems`. */
export function resolveParameters(
  { parameters: declared }: Pick<Template, "parameters">,
  given: Readonly<Record<string, unknown>>,
  problems: string[],
): Parameters {
  const values = new Map<string, unknown>();
  const misfits: string[] = [];
  for (const parameter of declared) {
    const { name, required } = parameter;
    // A null that was given is an answer, and no reason to fall back to the default.
    const isGiven = Object.hasOwn(given, name);
    const value = (isGiven ? given[name] : parameter.default) ?? null;
    // A default was checked with its declaration.
    const problem = value === null || !isGiven ? undefined : misfit(parameter, value);
    if (value === null && required) misfits.push(`parameter "${name}" is required`);
    else if (problem !== undefined) misfits.push(problem);
    values.set(name, value);
  }
  for (const name of Object.keys(given)) {
    if (values.has(name)) continue;
    const names = declared.map((each) => each.name);
    problems.push(`there is no parameter "${name}"; there are: ${names.join(", ") || "none"}`);
  }
  problems.push(...misfits);
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

const anchored = (pattern: string): RegExp => new RegExp(`^(?:${pattern})`, "u");

function isPattern(pattern: string): boolean {
  try {
    return anchored(pattern).source !== "";
  } catch {
    return false;
  }
}

/** With one thing that repeats, and no group, an anchored expression cannot backtrack more than once per character. */
const isLinear = (pattern: string): boolean =>
  !pattern.includes("(") && !/\\[1-9k]/.test(pattern) && (pattern.match(/[*+?{]/g) ?? []).length <= 1;

let sandbox: Context | undefined;
const SCRIPT = new Script('new RegExp(`^(?:${pattern})`, "u").test(text)');

/** In a context of its own, because only there an expression that backtracks for ever can be stopped. */
function matches(pattern: string, text: string): boolean {
  if (isLinear(pattern)) return anchored(pattern).test(text);
  sandbox ??= createContext({});
  Object.assign(sandbox, { pattern, text });
  try {
    return SCRIPT.runInContext(sandbox, { timeout: LIMITS.workflow.patternMs }) === true;
  } catch {
    return false;
  } finally {
    Object.assign(sandbox, { pattern: "", text: "" });
  }
}
