import { RunningScope } from "./running-scope.ts";
import type { Scope, ScopeOptions } from "./scope.ts";

/** The rest of a scope's options; the limit itself is the first argument. */
export type TimeLimitOptions = Omit<ScopeOptions, "timeoutMs">;

/** `timedOut` says whether the time limit cut the work; only then there is no value. */
export type MovedOn<T> =
  | { readonly timedOut: false; readonly value: T }
  | { readonly timedOut: true; readonly value?: never };

/**
 * Like `withScope`, for work that is worthless when late.
 *
 * @param timeoutMs Milliseconds from now; 0 or less is over already, `Infinity` is no limit.
 * @throws `DEADLINE_EXCEEDED` when the limit cut the work; else as `withScope`.
 */
export async function failAfter<T>(
  timeoutMs: number,
  body: (scope: Scope) => Promise<T> | T,
  options: TimeLimitOptions = {},
): Promise<T> {
  return new RunningScope({ ...options, timeoutMs }).run(body);
}

/**
 * Like `withScope`, for work one can do without: a passed limit is an answer, not an error. The deadline of an outer
 * scope is none of its own and rejects with `CANCELLED`, as any cancellation does.
 *
 * @param timeoutMs Milliseconds from now; 0 or less is over already, `Infinity` is no limit.
 * @throws As `withScope`, except for its own `DEADLINE_EXCEEDED`.
 */
export async function moveOnAfter<T>(
  timeoutMs: number,
  body: (scope: Scope) => Promise<T> | T,
  options: TimeLimitOptions = {},
): Promise<MovedOn<T>> {
  const scope = new RunningScope({ ...options, timeoutMs });
  try {
    return { timedOut: false, value: await scope.run(body) };
  } catch (error) {
    if (scope.expiredWith(error)) return { timedOut: true };
    throw error;
  }
}
