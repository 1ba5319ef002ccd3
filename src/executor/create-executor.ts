import { LIMITS, assert, fault, isCancellation, isFault, sentenceOf, type Fault } from "../errors/index.ts";
import { moveOnAfter, withScope, type Clock, type Scope } from "../scope/index.ts";
import { checkFunction } from "../schema/index.ts";
import { checkExecutionOptions, checkExecutorOptions, checkList } from "./checked-arguments.ts";
import { ExecutionCounts, type Ending } from "./execution-counts.ts";
import type {
  ExecutionOptions,
  ExecutionResult,
  Executor,
  ExecutorMetrics,
  ExecutorOptions,
} from "./executor.ts";
import { Slots } from "./slots.ts";

/**
 * Makes an executor; what it promises is written at `Executor`. Cost: nothing until it is called, and then a few
 * microseconds for each function.
 *
 * @throws `INVALID_ARGUMENT` for an option that is unknown or out of range.
 */
export function createExecutor(options: ExecutorOptions = {}): Executor {
  checkExecutorOptions(options);
  return new ScopedExecutor(options);
}

type Work<T> = (scope: Scope) => Promise<T> | T;

/** One function of a call, bound to its argument. */
interface Execution<T> {
  readonly name: string;
  readonly run: Work<T>;
}

class ScopedExecutor implements Executor {
  readonly #slots: Slots;
  readonly #timeoutMs: number;
  readonly #clock: Clock | undefined;
  readonly #counts: ExecutionCounts | undefined;

  constructor({ maxConcurrent, timeoutMs, metrics = true, clock }: ExecutorOptions) {
    this.#slots = new Slots(maxConcurrent ?? LIMITS.executor.concurrent);
    this.#timeoutMs = timeoutMs ?? LIMITS.executor.timeoutMs;
    this.#clock = clock;
    this.#counts = metrics ? new ExecutionCounts() : undefined;
  }

  async runOne<T>(fn: Work<T>, options: ExecutionOptions = {}): Promise<ExecutionResult<T>> {
    checkFunction("fn", fn);
    checkExecutionOptions(options);
    const name = nameOf(fn, options);
    const [result] = await this.#runEach([{ name, run: fn }], { ...options, name });
    assert(result !== undefined, "what was not cut has a result");
    return result;
  }

  async runParallel<T>(
    functions: readonly Work<T>[],
    options: ExecutionOptions = {},
  ): Promise<ExecutionResult<T>[]> {
    checkList("functions", functions);
    for (const [index, fn] of functions.entries()) checkFunction(`functions[${index}]`, fn);
    checkExecutionOptions(options);
    const executions = functions.map((run, index) => ({ name: `${nameOf(run, options)}[${index}]`, run }));
    return this.#runEach(executions, options);
  }

  async runBatch<A, T>(
    fn: (args: A, scope: Scope) => Promise<T> | T,
    argsList: readonly A[],
    options: ExecutionOptions = {},
  ): Promise<ExecutionResult<T>[]> {
    checkFunction("fn", fn);
    checkList("argsList", argsList);
    checkExecutionOptions(options);
    const name = nameOf(fn, options);
    const executions = argsList.map((args, index) => ({
      name: `${name}[${index}]`,
      run: (scope: Scope) => fn(args, scope),
    }));
    return this.#runEach(executions, { ...options, name });
  }

  metrics(): ExecutorMetrics | null {
    return this.#counts?.read() ?? null;
  }

  resetMetrics(): void {
    this.#counts?.reset();
  }

  /** Ends when everything that was started has ended: for that stands the scope, not the body. */
  async #runEach<T>(
    executions: readonly Execution<T>[],
    { signal, parent, name = "the call", timeoutMs = this.#timeoutMs }: ExecutionOptions,
  ): Promise<ExecutionResult<T>[]> {
    const results: ExecutionResult<T>[] = [];
    return withScope({ signal, parent, name, clock: this.#clock }, async (scope) => {
      const starts = executions.map(
        (execution, index) => () =>
          scope.spawn(async () => {
            results[index] = await this.#execute(execution, timeoutMs, scope);
          }),
      );
      await this.#slots.startEach(scope, starts);
      return results;
    });
  }

  async #execute<T>(
    { name, run }: Execution<T>,
    timeoutMs: number,
    scope: Scope,
  ): Promise<ExecutionResult<T>> {
    const startMs = scope.clock.now();
    const ended = (ending: Ending) => {
      const executionMs = scope.clock.now() - startMs;
      this.#counts?.add(ending, executionMs);
      return { name, executionMs, cancelled: ending === "cancelled", timedOut: ending === "timedOut" };
    };
    try {
      const end = await moveOnAfter(timeoutMs, run, { parent: scope, name });
      if (!end.timedOut) return { ...ended("successful"), ok: true, value: end.value };
      const error = fault("DEADLINE_EXCEEDED", { what: name, timeoutMs });
      return { ...ended("timedOut"), ok: false, error };
    } catch (error) {
      const result = ended(isCancellation(error) ? "cancelled" : "failed");
      // What its caller cut is no result: the scope of the call tells it.
      if (result.cancelled && scope.signal.aborted) throw error;
      return { ...result, ok: false, error: asFault(error, name) };
    }
  }
}

const nameOf = (fn: { readonly name: string }, { name = fn.name }: ExecutionOptions): string =>
  name === "" ? "the function" : name;

const asFault = (error: unknown, action: string): Fault =>
  isFault(error) ? error : fault("HANDLER_FAILED", { action, text: sentenceOf(error) }, { cause: error });
