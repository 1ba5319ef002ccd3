import type { Fault } from "../errors/index.ts";
import type { Clock, Scope } from "../scope/index.ts";

/**
 * Runs functions of the caller's own thread, so many at once, each in a scope of its own with a timeout of its own,
 * and tells how each has ended. It has no life apart from its calls: when none is under way, nothing of it runs.
 *
 * What goes wrong in a function is a result. A call rejects only when its caller withdrew it, when it was wrong, or
 * when too many wait: `CANCELLED`, with the reason of the signal as its cause; `INVALID_ARGUMENT`; `EXECUTOR_FULL`.
 * Before it rejects with `CANCELLED`, everything that ran has ended, every `finally` and every cleanup included, and
 * nothing further was started. A call none of whose functions was cut, and none left out, hands back its results.
 *
 * A function that waits for a call of its own executor waits for a slot while it holds one: give inner work another.
 */
export interface Executor {
  /** Runs one function when a slot is free. */
  runOne<T>(fn: (scope: Scope) => Promise<T> | T, options?: ExecutionOptions): Promise<ExecutionResult<T>>;

  /**
   * Runs each function of a list.
   *
   * @returns one result for each, in the order of the list
   */
  runParallel<T>(
    functions: readonly ((scope: Scope) => Promise<T> | T)[],
    options?: ExecutionOptions,
  ): Promise<ExecutionResult<T>[]>;

  /**
   * Runs one function once for each argument.
   *
   * @returns one result for each, in the order of the list
   */
  runBatch<A, T>(
    fn: (args: A, scope: Scope) => Promise<T> | T,
    argsList: readonly A[],
    options?: ExecutionOptions,
  ): Promise<ExecutionResult<T>[]>;

  /** What has ended since the executor was made, or since the last reset; `null` when it was told not to count. */
  metrics(): ExecutorMetrics | null;

  /** Counts from zero again. What runs at that moment is counted when it ends. */
  resetMetrics(): void;
}

export interface ExecutorOptions {
  /** Functions that run at once, whichever calls they came with: 1 to 10,000; default 10. */
  readonly maxConcurrent?: number | undefined;
  /** How long one function may run, in milliseconds: 1 to 604,800,000; default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Default true. */
  readonly metrics?: boolean | undefined;
  /** Default: that of the scope that a call is made in, else the system's. */
  readonly clock?: Clock | undefined;
}

export interface ExecutionOptions {
  /** Its abort cancels the call. That of a scope brings the scope's deadline and clock along. */
  readonly signal?: AbortSignal | undefined;
  /** The scope around the call: its cancellation and deadline hold here, and it waits for the call to end. */
  readonly parent?: Scope | undefined;
  /** How long each function of the call may run, from its start; default: that of the executor. */
  readonly timeoutMs?: number | undefined;
  /** What the call is named after in results and sentences; default: the name of the function. */
  readonly name?: string | undefined;
}

/** How one function has ended. */
export type ExecutionResult<T> = {
  /** That of the function, or the one that was given; with its place in a list: "price[3]". */
  readonly name: string;
  /** From its start to its end, cleanups included; without the time in which it waited for a slot. */
  readonly executionMs: number;
  /** It withdrew itself, or something that it waited for was withdrawn: `error` has code `CANCELLED`. */
  readonly cancelled: boolean;
  /** Its timeout cut it: `error` has code `DEADLINE_EXCEEDED`. */
  readonly timedOut: boolean;
} & (
  | { readonly ok: true; readonly value: T; readonly error?: never }
  /** What it threw; `HANDLER_FAILED`, with what it threw as its cause, when that has no code. */
  | { readonly ok: false; readonly value?: never; readonly error: Fault }
);

export interface ExecutorMetrics {
  /** Functions that ran and have ended; one that was never started is none of them. */
  readonly total: number;
  readonly successful: number;
  /** All others: those that were cancelled or timed out too. */
  readonly failed: number;
  /** Of the failed: withdrawn, by themselves or by their caller. */
  readonly cancelled: number;
  /** Of the failed: cut by their timeout. */
  readonly timedOut: number;
  /** `successful` of `total`, from 0 to 1; 0 when nothing has ended. */
  readonly successRate: number;
  /** 0 when nothing has ended. */
  readonly meanExecutionMs: number;
  readonly totalExecutionMs: number;
}
