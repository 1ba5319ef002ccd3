import { fault } from "../errors/index.ts";

/**
 * The absolute deadline that a timeout and a deadline make together: the earlier one, `Infinity` for neither.
 *
 * @throws `INVALID_ARGUMENT` for what is no number: compared with, it would silently mean "never".
 */
export function earliestDeadline(
  options: { readonly timeoutMs?: number | undefined; readonly deadlineMs?: number | undefined },
  nowMs: number,
): number {
  const { timeoutMs = Infinity, deadlineMs = Infinity } = options;
  requireNumber("timeoutMs", timeoutMs);
  requireNumber("deadlineMs", deadlineMs);
  return Math.min(nowMs + timeoutMs, deadlineMs);
}

/** @throws `INVALID_ARGUMENT`; callers in plain JavaScript are not checked by a compiler. */
export function requireNumber(argument: string, value: number): void {
  if (typeof value !== "number" || Number.isNaN(value))
    throw refused(argument, value, "a number of milliseconds");
}

/** @throws `INVALID_ARGUMENT` */
export function requireFinite(argument: string, value: number): void {
  if (!Number.isFinite(value)) throw refused(argument, value, "a finite number of milliseconds");
}

const refused = (argument: string, value: unknown, allowed: string): Error =>
  fault("INVALID_ARGUMENT", { argument, got: String(value), allowed });
