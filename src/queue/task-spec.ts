import { createHash } from "node:crypto";
import { LIMITS } from "../errors/index.ts";
import { checkInteger, checkName, checkNumber, invalidArgument } from "../schema/index.ts";
import type { TaskSpec } from "./queue.protocol.ts";

/** @throws INVALID_ARGUMENT naming the first argument that is wrong, what it is, and what is allowed */
export function checkSpecs(specs: readonly TaskSpec[]): void {
  if (specs.length > LIMITS.queue.batchTasks) {
    throw invalidArgument("tasks", `${specs.length} tasks`, `at most ${LIMITS.queue.batchTasks} at a time`);
  }
  // Whoever submits one task did not think of a list.
  for (const [index, spec] of specs.entries()) checkSpec(spec, specs.length === 1 ? "" : `tasks[${index}].`);
}

/** @throws INVALID_ARGUMENT */
export function checkCancel(taskIds: readonly string[], reason: string): void {
  const { batchTasks, reasonChars } = LIMITS.queue;
  if (taskIds.length > batchTasks) {
    throw invalidArgument("taskIds", `${taskIds.length} ids`, `at most ${batchTasks} at a time`);
  }
  if (reason.length > reasonChars) {
    throw invalidArgument("reason", `${reason.length} characters long`, `at most ${reasonChars} characters`);
  }
}

function checkSpec(spec: TaskSpec, argument: string): void {
  const { nameChars, priority, attempts, inputBytes, timeoutMs } = LIMITS.queue;
  checkName(`${argument}taskId`, spec.taskId, nameChars);
  checkName(`${argument}action`, spec.action, nameChars);
  if (spec.group !== undefined) checkName(`${argument}group`, spec.group, nameChars);
  if (spec.priority !== undefined) checkNumber(`${argument}priority`, spec.priority, -priority, priority);
  if (spec.attempts !== undefined) checkInteger(`${argument}attempts`, spec.attempts, 1, attempts);
  if (spec.timeoutMs !== undefined) checkInteger(`${argument}timeoutMs`, spec.timeoutMs, 1, timeoutMs);
  if (!(spec.input instanceof Uint8Array)) {
    throw invalidArgument(`${argument}input`, typeof spec.input, "bytes made by packValue");
  }
  if (spec.input.byteLength > inputBytes) {
    throw invalidArgument(
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
