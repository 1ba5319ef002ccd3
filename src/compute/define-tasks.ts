import { fault } from "../errors/index.ts";
import type { StandardInput, StandardOutput, StandardSchema } from "../schema/index.ts";
import type { TaskContext } from "./task-context.ts";
import type { Isolation } from "./thread-message.ts";

/**
 * What a module of handlers is written with. Nothing here loads a thread pool, a database or a schema library: such
 * a module is imported on every handler thread.
 */

/** `Symbol.for` survives two copies of this package in one process. */
const HANDLER = Symbol.for("mcplusplus.handler");
const TASKS = Symbol.for("mcplusplus.tasks");

const ISOLATIONS: readonly Isolation[] = ["thread", "shared"];

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/i;

type Untyped = StandardSchema<unknown, unknown>;

export interface HandlerDefinition<Input extends StandardSchema, Output extends StandardSchema> {
  /** One sentence for whoever looks for an action. */
  readonly description?: string;
  /** Any Standard Schema (zod, valibot, arktype, ...); `run` gets what it makes of the input. Default: no check. */
  readonly input?: Input;
  /** Likewise for what `run` returns; what the schema makes of it is kept. */
  readonly output?: Output;
  /** How long one attempt may run, in milliseconds, when the task does not say; default: the queue's. */
  readonly timeoutMs?: number;
  /**
   * Processor time that one attempt may use, in milliseconds; then its thread is ended at once, without a grace. Only
   * where it has its thread alone: nobody can tell whose time a shared one takes. Default: no bound.
   */
  readonly cpuMs?: number;
  /** What its attempts share a thread with; default: `thread`, nothing. */
  readonly isolation?: Isolation;
  run(
    input: StandardOutput<Input>,
    context: TaskContext,
  ): StandardInput<Output> | Promise<StandardInput<Output>>;
}

/** A handler as the runner sees it: its schemas check at run time what the types promised. */
export interface Handler {
  readonly description: string;
  readonly input: StandardSchema | null;
  readonly output: StandardSchema | null;
  readonly timeoutMs: number | null;
  readonly cpuMs: number | null;
  readonly isolation: Isolation;
  readonly run: (input: unknown, context: TaskContext) => unknown;
}

/** The value that a module exports; under which name does not matter. */
export interface Tasks {
  readonly handlers: Readonly<Record<string, Handler>>;
}

/**
 * One handler. The types of `input` and of the result follow from the schemas.
 *
 * A handler may run more than once for the same task (at least once is the promise), so its effects should bear
 * that. It runs with the rights of the process.
 *
 * @throws INVALID_ARGUMENT for a time-out or a processor time that is not above 0, and for an isolation that there is
 *   not, or that cannot bound what is asked for
 */
export function handler<Input extends StandardSchema = Untyped, Output extends StandardSchema = Untyped>(
  definition: HandlerDefinition<Input, Output>,
): Handler {
  const {
    description = "",
    input = null,
    output = null,
    timeoutMs = null,
    cpuMs = null,
    isolation = "thread",
  } = definition;
  for (const [argument, value] of Object.entries({ timeoutMs, cpuMs })) {
    if (value === null || value > 0) continue;
    throw fault("INVALID_ARGUMENT", {
      argument,
      got: String(value),
      allowed: "a number of milliseconds above 0",
    });
  }
  // Modules without types pass anything.
  const given: unknown = isolation;
  if (!ISOLATIONS.includes(isolation)) {
    throw fault("INVALID_ARGUMENT", {
      argument: "isolation",
      got: String(given),
      allowed: ISOLATIONS.join(" or "),
    });
  }
  if (cpuMs !== null && isolation !== "thread") {
    throw fault("INVALID_ARGUMENT", {
      argument: "cpuMs",
      got: `${cpuMs} with isolation "${isolation}"`,
      allowed: 'a bound with isolation "thread": the time of a shared thread is nobody\'s alone',
    });
  }
  // The schemas turn unknown values into the types that `run` was written for, and are applied before it is called.
  const run = definition.run.bind(definition) as Handler["run"];
  return branded(HANDLER, { description, input, output, timeoutMs, cpuMs, isolation, run });
}

/**
 * The handlers of a module, by the name that a task's type or a step's action calls them by.
 *
 * @param handlers names of 1 to 64 letters, digits, `_`, `.` and `-`, beginning with a letter
 * @throws INVALID_ARGUMENT for any other name, and for a value that `handler` did not make
 */
export function defineTasks(handlers: Readonly<Record<string, Handler>>): Tasks {
  for (const [name, value] of Object.entries(handlers)) {
    if (!NAME.test(name)) {
      throw fault("INVALID_ARGUMENT", {
        argument: "the name of a handler",
        got: `"${name}"`,
        allowed: "1 to 64 letters, digits, _, . and -, beginning with a letter",
      });
    }
    if (!isBranded(HANDLER, value)) {
      throw fault("INVALID_ARGUMENT", {
        argument: `the handler "${name}"`,
        got: value === null ? "null" : typeof value,
        allowed: "what handler({ run }) returns",
      });
    }
  }
  return branded(TASKS, { handlers: Object.freeze({ ...handlers }) });
}

export function isTasks(value: unknown): value is Tasks {
  return isBranded(TASKS, value);
}

function branded<T extends object>(brand: symbol, value: T): T {
  return Object.freeze(Object.defineProperty(value, brand, { value: true }));
}

function isBranded(brand: symbol, value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, brand);
}
