import { placeOf } from "../schema/index.ts";

/** What JSONata throws, as far as it is used; its position is that of the last character it had read, from 1. */
export interface ExpressionError {
  readonly message: string;
  readonly position: number | null;
}

/** One sentence with the place, where one is known: `line 1, column 5: Expected ")" before end of expression`. */
export function problemOf(expression: string, { message, position }: ExpressionError): string {
  // A stack that runs out while the text is read has one cause.
  if (/call stack/i.test(message)) return "it is nested too deeply, or calls itself too often";
  if (position === null) return message;
  const { line, column } = placeOf(expression, Math.max(0, Math.min(position, expression.length) - 1));
  return `line ${line}, column ${column}: ${message}`;
}
