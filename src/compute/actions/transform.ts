import { LIMITS, fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { problemOf } from "../expression-problem.ts";
import { action } from "./action.ts";
import { evaluate } from "./expression-realm.ts";

const { expressionChars, expressionDepth, expressionItems } = LIMITS.compute;

/** Evaluates a JSONata expression over its input. @see https://docs.jsonata.org */
export default action({
  input: z.strictObject({ expression: z.string().max(expressionChars), input: z.unknown().optional() }),
  output: z.unknown(),
  run({ expression, input = null }) {
    const bounds = { depth: expressionDepth, items: expressionItems };
    const evaluated = evaluate(expression, jsonOf(input), bounds);
    if ("json" in evaluated) return JSON.parse(evaluated.json) as unknown;
    const { failed, error } = evaluated;
    const code = failed === "parsing" ? "EXPRESSION_INVALID" : "EXPRESSION_FAILED";
    throw fault(code, { why: problemOf(expression, error) });
  },
});

/** A date crosses as its ISO-8601 text. What JSON has no word for is refused, and not changed into something else. */
function jsonOf(input: unknown): string {
  return JSON.stringify(input, (key, value: unknown) => {
    const kind =
      value instanceof Uint8Array ? "bytes" : typeof value === "bigint" ? "a bigint" : nonFinite(value);
    if (kind === null) return value;
    const where = key === "" ? "input" : `input, at ${JSON.stringify(key)},`;
    throw fault("INPUT_INVALID", {
      what: "transform",
      problems: [`${where} holds ${kind}, which JSON cannot`],
    });
  });
}

const nonFinite = (value: unknown): string | null =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : null;
