import { isError, isFault, peek, textOf } from "../errors/index.ts";

/** What user code threw, which can be anything, in words and in a form that can be described further. */

/** One sentence. The name of an error is part of it, because "x is not defined" alone sounds like ours. */
export function textOfThrown(thrown: unknown): string {
  if (!isError(thrown)) return textOf(thrown);
  const name = partOf(thrown, "name") || "Error";
  const text = partOf(thrown, "message") || name;
  return isFault(thrown) || name === "Error" || text === name ? text : `${name}: ${text}`;
}

/** Where it was thrown; empty when it does not say so. */
export const stackOf = (thrown: unknown): string => (isError(thrown) ? partOf(thrown, "stack") : "");

function partOf(error: Error, key: "name" | "message" | "stack"): string {
  const part = peek(error, key);
  return part === undefined ? "" : textOf(part);
}

/** The `cause` for a fault about it; only an error says more than its text does. */
export function causeOf(thrown: unknown): { cause?: Error } {
  return isError(thrown) ? { cause: thrown } : {};
}
