import { LIMITS } from "../errors/index.ts";
import { fieldsBytes } from "./task-log.ts";
import type { AttemptName, ThreadMessage } from "./thread-message.ts";

const { logChars, progressChars } = LIMITS.compute;
/** What tells that a text was cut. */
const CUT_CHARS = 1;

/**
 * A handler can post to its parent thread too. What it says there is taken only if it is as ours would be in every
 * part: the queue's thread is not to end, or to fill up, because of it.
 */
export function isThreadMessage(message: unknown): message is ThreadMessage {
  if (!isObject(message)) return false;
  const { kind, by, level, message: text, fields, fraction } = message;
  if (kind === "mcplusplus.progress")
    return isName(by) && isFraction(fraction) && isText(text, progressChars);
  if (kind !== "mcplusplus.log" || (level !== "info" && level !== "error")) return false;
  return (by === null || isName(by)) && isText(text, logChars) && fieldsBytes(fields) !== undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isText = (value: unknown, charsMax: number): boolean =>
  typeof value === "string" && value.length <= charsMax + CUT_CHARS && value.isWellFormed();

const isFraction = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 1;

const isName = (value: unknown): value is AttemptName =>
  isObject(value) &&
  isText(value["taskId"], LIMITS.queue.nameChars) &&
  Number.isSafeInteger(value["token"]) &&
  Number.isSafeInteger(value["attempt"]);
