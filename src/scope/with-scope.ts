import type { Scope, ScopeOptions } from "./scope.ts";
import { RunningScope } from "./running-scope.ts";

type Body<T> = (scope: Scope) => Promise<T> | T;

/**
 * Runs `body` so that nothing it starts in its scope outlives the block.
 *
 * When the promise settles, the body and every child have settled and every cleanup has run, also under
 * cancellation: work that ignores its signal is waited for, not abandoned.
 *
 * How it ends, first match:
 * 1. One real failure (of the body, a child or a cleanup): that error itself. Several: one fault `SEVERAL`, with
 *    all of them in `errors`, first one first. Cancellation never masks a failure.
 * 2. The body returned, and cancellation cut none of its children, or only `scope.cancel()` did: its value. What has
 *    been done in spite of a cancellation is not reported as undone.
 * 3. The scope's own deadline passed: `DEADLINE_EXCEEDED`.
 * 4. Otherwise `CANCELLED`; when a signal or an outer scope was the cause, `cause` is its reason.
 *
 * A scope that is cancelled or late before it begins never runs its body. Cost: a few microseconds.
 *
 * @throws `INVALID_ARGUMENT`; a defect for a parent that has closed.
 * @see https://trio.readthedocs.io/en/stable/reference-core.html for the rules of cancellation and of nurseries
 */
export function withScope<T>(body: Body<T>): Promise<T>;
export function withScope<T>(options: ScopeOptions, body: Body<T>): Promise<T>;
export async function withScope<T>(...given: [Body<T>] | [ScopeOptions, Body<T>]): Promise<T> {
  const [options, body] = given.length === 1 ? [{}, given[0]] : given;
  return new RunningScope(options).run(body);
}
