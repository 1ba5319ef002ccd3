import { isFault } from "../errors/index.ts";

/** What user code threw, which can be anything, in words and in a form that can be described further. */

/** One sentence. The name of an error is part of it, because "x is not defined" alone sounds like ours. */
export function textOfThrown(thrown: unknown): string {
  if (thrown instanceof Error) {
    const text = thrown.message === "" ? thrown.name : thrown.message;
    return isFault(thrown) || thrown.name === "Error" || text === thrown.name
      ? text
      : `${thrown.name}: ${text}`;
  }
  try {
    return String(thrown);
  } catch {
    return "something without a description was thrown";
  }
}

/** The `cause` for a fault about it; only an error says more than its text does. */
export function causeOf(thrown: unknown): { cause?: Error } {
  return thrown instanceof Error ? { cause: thrown } : {};
}
