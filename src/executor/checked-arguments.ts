import { LIMITS } from "../errors/index.ts";
import {
  checkInteger,
  checkKeys,
  checkNumber,
  checkSignal,
  checkText,
  invalidArgument,
  shortText,
} from "../schema/index.ts";
import type { ExecutionOptions, ExecutorOptions } from "./executor.ts";

/** Callers may be plain JavaScript: what is wrong is told when it is given, not when it is first used. */

/** @throws INVALID_ARGUMENT */
export function checkExecutorOptions(options: ExecutorOptions): void {
  checkKeys("options", options, ["maxConcurrent", "timeoutMs", "metrics", "clock"]);
  const { maxConcurrent, timeoutMs, metrics, clock } = options;
  if (maxConcurrent !== undefined)
    checkInteger("maxConcurrent", maxConcurrent, 1, LIMITS.executor.concurrentMax);
  checkTimeout(timeoutMs);
  checkKind("metrics", metrics, "true or false", typeof metrics === "boolean");
  checkKind("clock", clock, "a clock", typeof clock?.now === "function" && typeof clock.at === "function");
}

/** @throws INVALID_ARGUMENT; whether `parent` is a scope, the scope itself looks */
export function checkExecutionOptions(options: ExecutionOptions): void {
  checkKeys("options", options, ["signal", "parent", "timeoutMs", "name"]);
  const { signal, timeoutMs, name } = options;
  if (signal !== undefined) checkSignal("signal", signal);
  checkTimeout(timeoutMs);
  if (name !== undefined) checkText("name", name);
}

/** @throws INVALID_ARGUMENT */
export function checkList(argument: string, value: readonly unknown[]): void {
  if (!Array.isArray(value)) throw invalidArgument(argument, shortText(value), "an array");
  checkInteger(`the length of ${argument}`, value.length, 0, LIMITS.executor.executions);
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) checkNumber("timeoutMs", timeoutMs, 1, LIMITS.executor.timeoutMsMax);
}

function checkKind(argument: string, value: unknown, allowed: string, fits: boolean): void {
  if (value !== undefined && !fits) throw invalidArgument(argument, shortText(value), allowed);
}
