import jsonata from "jsonata";
import { LIMITS } from "../errors/index.ts";
import { problemOf } from "./expression-problem.ts";

/**
 * The second door for whoever takes expressions that are evaluated later, as tasks of the action `transform`. It loads
 * the package (a few milliseconds, 2 MB), and so it should be loaded when the first expression comes.
 */

/**
 * What is wrong with the syntax of a JSONata expression: one sentence with the place. Undefined when nothing is. The
 * expression is read and not evaluated. The package takes quadratic time over some, 0.1 s for the worst of this length,
 * and so a longer one is refused.
 */
export function checkExpression(text: string): string | undefined {
  const { checkedChars } = LIMITS.compute;
  if (text.length > checkedChars) return `it has more than ${checkedChars} characters`;
  try {
    jsonata(text);
    return undefined;
  } catch (error) {
    const { message, position } = error as { message?: unknown; position?: unknown };
    return problemOf(text, {
      message: String(message),
      position: typeof position === "number" ? position : null,
    });
  }
}
