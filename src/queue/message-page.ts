import { packValue } from "../codec/index.ts";
import type { WireError } from "../errors/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { AttemptRecord } from "./queue.protocol.ts";

/** As many of the first as one message carries; one at least. */
export function fittingItems<T>(items: readonly T[]): T[] {
  let leftBytes = LIMITS.queue.pageBytes;
  const end = items.findIndex((item, index) => {
    leftBytes -= packValue(item).byteLength;
    return leftBytes < 0 && index > 0;
  });
  return end < 0 ? [...items] : items.slice(0, end);
}

/**
 * All attempts, as far as one message carries what their errors say: of those beyond it only code and sentence are left.
 */
export function fittingAttempts(attempts: readonly AttemptRecord[]): AttemptRecord[] {
  let leftBytes = LIMITS.queue.pageBytes;
  return attempts.map((attempt) => {
    leftBytes -= packValue(attempt).byteLength;
    return leftBytes >= 0 || attempt.error === null ? attempt : { ...attempt, error: briefly(attempt.error) };
  });
}

const briefly = ({ code, message }: WireError): WireError => ({ code, message, details: {} });
