import { createHash } from "node:crypto";
import { fault } from "../errors/index.ts";
import type { TaskSpec } from "./queue.protocol.ts";

/** What the queue accepts, tolerates and keeps. */
export const QUEUE_LIMITS = Object.freeze({
  /** Tasks in one submit or cancel. */
  batch: 10_000,
  /** Characters of a task id, of an action's name, of a group's name. */
  nameChars: 512,
  /** Characters of the reason for a cancellation. */
  reasonChars: 2_000,
  /** Bytes of one task's packed input; larger values go by reference. */
  inputBytes: 1_048_576,
  /** Priorities reach from minus this to plus this. */
  priority: 1_000_000,
  attempts: 100,
  /** Seven days. */
  timeoutMs: 604_800_000,
  /** How long an attempt may run when neither the task nor its handler says. */
  defaultTimeoutMs: 300_000,
  /** Times that the death of thread or process may cut an attempt off before the task is failed. */
  interruptions: 5,
  /** Tasks in one page of a group. */
  page: 1_000,
  /** Bytes of their outputs and errors, after which the page ends early. */
  pageBytes: 8_388_608,
  /** Ended tasks that are kept: as many, and as long, whichever is less. */
  keptTasks: 100_000,
  keptMs: 604_800_000,
});

/** @throws INVALID_ARGUMENT naming the first argument that is wrong, what it is, and what is allowed */
export function checkSpecs(specs: readonly TaskSpec[]): void {
  if (specs.length > QUEUE_LIMITS.batch) {
    throw invalid("tasks", `${specs.length} tasks`, `at most ${QUEUE_LIMITS.batch} at a time`);
  }
  // Whoever submits one task did not think of a list.
  for (const [index, spec] of specs.entries()) checkSpec(spec, specs.length === 1 ? "" : `tasks[${index}].`);
}

/** @throws INVALID_ARGUMENT */
export function checkCancel(taskIds: readonly string[], reason: string): void {
  const { batch, reasonChars } = QUEUE_LIMITS;
  if (taskIds.length > batch) throw invalid("taskIds", `${taskIds.length} ids`, `at most ${batch} at a time`);
  if (reason.length > reasonChars) {
    throw invalid("reason", `${reason.length} characters long`, `at most ${reasonChars} characters`);
  }
}

/** @throws INVALID_ARGUMENT */
export function checkPage(offset: number, limit: number): void {
  checkInteger(offset, "offset", 0, Number.MAX_SAFE_INTEGER);
  checkInteger(limit, "limit", 1, QUEUE_LIMITS.page);
}

function checkSpec(spec: TaskSpec, argument: string): void {
  checkName(spec.taskId, `${argument}taskId`);
  checkName(spec.action, `${argument}action`);
  if (spec.group !== undefined) checkName(spec.group, `${argument}group`);
  const { priority, attempts, inputBytes, timeoutMs } = QUEUE_LIMITS;
  checkNumber(spec.priority, `${argument}priority`, -priority, priority);
  checkInteger(spec.attempts, `${argument}attempts`, 1, attempts);
  checkInteger(spec.timeoutMs, `${argument}timeoutMs`, 1, timeoutMs);
  if (!(spec.input instanceof Uint8Array)) {
    throw invalid(`${argument}input`, typeof spec.input, "bytes made by packValue");
  }
  if (spec.input.byteLength > inputBytes) {
    throw invalid(
      `${argument}input`,
      `${spec.input.byteLength} bytes long`,
      `at most ${inputBytes} bytes; a larger value goes by reference`,
    );
  }
}

/** Hash of what a task does. An action holds no NUL, so no other pair of action and input makes the same bytes. */
export function fingerprintOf({ action, input }: TaskSpec): string {
  return createHash("sha256").update(action).update("\0").update(input).digest("base64url");
}

function checkInteger(value: number | undefined, argument: string, min: number, max: number): void {
  if (value !== undefined && (!Number.isInteger(value) || value < min || value > max)) {
    throw invalid(argument, String(value), `an integer from ${min} to ${max}`);
  }
}

function checkNumber(value: number | undefined, argument: string, min: number, max: number): void {
  // Written so that NaN is outside.
  if (value !== undefined && !(typeof value === "number" && value >= min && value <= max)) {
    throw invalid(argument, String(value), `a number from ${min} to ${max}`);
  }
}

function checkName(value: unknown, argument: string): void {
  const { nameChars } = QUEUE_LIMITS;
  const allowed = `1 to ${nameChars} characters of well-formed text without NUL`;
  if (typeof value !== "string") throw invalid(argument, typeof value, allowed);
  if (value.length < 1 || value.length > nameChars) {
    throw invalid(argument, `${value.length} characters long`, allowed);
  }
  // SQLite would end the text at a NUL, and UTF-8 has no half of a surrogate pair: two ids would become one.
  if (value.includes("\0") || !value.isWellFormed()) throw invalid(argument, JSON.stringify(value), allowed);
}

function invalid(argument: string, got: string, allowed: string): Error {
  return fault("INVALID_ARGUMENT", { argument, got, allowed });
}
