import { LIMITS, fault, type Fault } from "../errors/index.ts";
import { isPlainObject, pathText, shortText } from "./value-text.ts";

/** Checks of single arguments, for rooms whose callers may be plain JavaScript: one rule and one wording everywhere. */

/** @throws INVALID_ARGUMENT unless it is an integer from `min` to `max`, both included */
export function checkInteger(argument: string, value: number, min: number, max = Infinity): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(
    argument,
    shortText(value),
    `an integer from ${min}${max === Infinity ? "" : ` to ${max}`}`,
  );
}

/** @throws INVALID_ARGUMENT unless it is a number from `min` to `max`, both included */
export function checkNumber(argument: string, value: number, min: number, max: number): void {
  // Written so that NaN is outside.
  if (typeof value === "number" && value >= min && value <= max) return;
  throw invalidArgument(argument, shortText(value), `a number from ${min} to ${max}`);
}

/** The page that a list is asked for. @throws INVALID_ARGUMENT unless `offset` is from 0 and `limit` from 1 to 1,000 */
export function checkPage({ offset, limit }: { readonly offset: number; readonly limit: number }): void {
  checkInteger("offset", offset, 0);
  checkInteger("limit", limit, 1, LIMITS.lists.pageItems);
}

/** @throws INVALID_ARGUMENT */
export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== "function") throw invalidArgument(argument, shortText(value), "a function");
}

/** @throws INVALID_ARGUMENT */
export function checkSignal(argument: string, value: unknown): void {
  if (!(value instanceof AbortSignal)) throw invalidArgument(argument, shortText(value), "an AbortSignal");
}

/** A text of any length, such as the name of something that may be there or not. @throws INVALID_ARGUMENT */
export function checkText(argument: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw invalidArgument(argument, shortText(value), "a text");
}

/** @throws INVALID_ARGUMENT */
export function checkTexts(argument: string, value: unknown): void {
  if (!Array.isArray(value)) throw invalidArgument(argument, shortText(value), "a list of texts");
  for (const [index, each] of value.entries()) checkText(`${argument}[${index}]`, each);
}

/** A list of words of a fixed set. @throws INVALID_ARGUMENT */
export function checkWords(argument: string, value: unknown, allowed: readonly string[]): void {
  checkTexts(argument, value);
  const index = (value as string[]).findIndex((word) => !allowed.includes(word));
  if (index < 0) return;
  throw invalidArgument(
    `${argument}[${index}]`,
    shortText((value as string[])[index]),
    `one of ${allowed.join(", ")}`,
  );
}

/** @throws INVALID_ARGUMENT unless it is a plain object */
export function checkObject(argument: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && isPlainObject(value)) return;
  throw invalidArgument(argument, shortText(value), "an object");
}

/** @throws INVALID_ARGUMENT unless it is a plain object, each of whose keys is known */
export function checkKeys(argument: string, value: object, known: readonly string[]): void {
  checkObject(argument, value);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw invalidArgument(pathText(argument, [unknown]), "no option", `one of ${known.join(", ")}`);
}

/**
 * May it be an id, a key or a name, on disk too? SQLite ends a text at a NUL, and UTF-8 has no half of a surrogate
 * pair: two names that differ there only would become one.
 */
export const isName = (value: unknown, charsMax: number): value is string =>
  typeof value === "string" &&
  value.length >= 1 &&
  value.length <= charsMax &&
  value.isWellFormed() &&
  !value.includes("\0");

/** What `isName` demands, for a sentence. */
export const nameRule = (charsMax: number): string =>
  `1 to ${charsMax} characters of well-formed text without NUL`;

/** @throws INVALID_ARGUMENT unless `isName` accepts it */
export function checkName(argument: string, value: unknown, charsMax: number): void {
  if (!isName(value, charsMax)) throw invalidArgument(argument, gotName(value, charsMax), nameRule(charsMax));
}

function gotName(value: unknown, charsMax: number): string {
  if (typeof value !== "string") return typeof value;
  return value.length < 1 || value.length > charsMax
    ? `${value.length} characters long`
    : JSON.stringify(value);
}

export const invalidArgument = (argument: string, got: string, allowed: string): Fault<"INVALID_ARGUMENT"> =>
  fault("INVALID_ARGUMENT", { argument, got, allowed });
