import { hash } from "node:crypto";
import { tryPack } from "../codec/index.ts";
import { LIMITS, isFault } from "../errors/index.ts";
import {
  checkInteger,
  checkName,
  checkNumber,
  checkObject,
  invalidArgument,
  isName,
  shortText,
} from "../schema/index.ts";
import type { Backoff, Quota, TaskSpec, WorkerSpec } from "./queue.protocol.ts";

/** @throws INVALID_ARGUMENT naming the first argument that is wrong, what it is, and what is allowed */
export function checkSpecs(specs: readonly TaskSpec[]): void {
  if (specs.length > LIMITS.queue.batchTasks) {
    throw invalidArgument("tasks", `${specs.length} tasks`, `at most ${LIMITS.queue.batchTasks} at a time`);
  }
  for (let index = 0; index < specs.length; index++) {
    try {
      checkSpec(specs[index] as TaskSpec);
    } catch (error) {
      // Whoever submits one task did not think of a list.
      if (specs.length === 1 || !isFault(error, "INVALID_ARGUMENT")) throw error;
      const { argument, got, allowed } = error.details;
      throw invalidArgument(`tasks[${index}].${argument}`, got, allowed);
    }
  }
}

/** @throws INVALID_ARGUMENT */
export function checkCancel(taskIds: readonly string[], reason: string): void {
  const { batchTasks } = LIMITS.queue;
  if (taskIds.length > batchTasks) {
    throw invalidArgument("taskIds", `${taskIds.length} ids`, `at most ${batchTasks} at a time`);
  }
  checkReason(reason);
}

/** What a retry may change. @throws INVALID_ARGUMENT */
export function checkRetry({ attempts, timeoutMs }: Pick<TaskSpec, "attempts" | "timeoutMs">): void {
  const { attempts: attemptsMax, timeoutMs: timeoutMsMax } = LIMITS.queue;
  if (attempts !== undefined) checkInteger("attempts", attempts, 1, attemptsMax);
  if (timeoutMs !== undefined) checkInteger("timeoutMs", timeoutMs, 1, timeoutMsMax);
}

/** @throws INVALID_ARGUMENT */
export function checkReason(reason: string): void {
  const { reasonChars } = LIMITS.queue;
  if (typeof reason !== "string" || reason.length > reasonChars) {
    const got = typeof reason === "string" ? `${reason.length} characters long` : shortText(reason);
    throw invalidArgument("reason", got, `a text of at most ${reasonChars} characters`);
  }
}

/** @throws INVALID_ARGUMENT */
export function checkQuota(quota: Quota): void {
  const { nameChars, tagChars } = LIMITS.queue;
  checkObject("quota", quota);
  const { scope, name, concurrency, perSecond, burst, queued, weight } = quota;
  if (scope !== "action" && scope !== "tag") {
    throw invalidArgument("quota.scope", shortText(scope), '"action" or "tag"');
  }
  checkName("quota.name", name, scope === "tag" ? tagChars : nameChars);
  if (concurrency !== undefined) checkInteger("quota.concurrency", concurrency, 0, 1_000_000);
  if (perSecond !== undefined) checkNumber("quota.perSecond", perSecond, 1e-6, 1e6);
  if (burst !== undefined) checkInteger("quota.burst", burst, 1, 1_000_000);
  if (queued !== undefined) checkInteger("quota.queued", queued, 0);
  if (weight === undefined) return;
  checkNumber("quota.weight", weight, 1e-3, 1e6);
  if (scope !== "tag")
    throw invalidArgument("quota.weight", String(weight), "none: only tags share the workers");
}

/** @throws INVALID_ARGUMENT */
export function checkWorker(worker: WorkerSpec): void {
  checkObject("worker", worker);
  const { workerId, capabilities, actions, maxConcurrent, resourceLimits, metadata } = worker;
  const { nameChars, workerTasks } = LIMITS.queue;
  checkName("workerId", workerId, nameChars);
  checkNames("capabilities", capabilities, 1_000, nameChars);
  if (actions !== undefined) checkNames("actions", actions, 1_000, nameChars);
  if (maxConcurrent !== undefined) checkInteger("maxConcurrent", maxConcurrent, 1, workerTasks);
  checkMetadata("resourceLimits", resourceLimits);
  checkMetadata("metadata", metadata);
}

/** @throws INVALID_ARGUMENT */
export function checkLease(leaseMs: number): void {
  checkInteger("leaseMs", leaseMs, LIMITS.queue.leaseMsMin, LIMITS.queue.leaseMs);
}

/** Names are made only for what is wrong: most of a million tasks are not. */
function checkSpec(spec: TaskSpec): void {
  const { nameChars, priority, inputBytes, delayMs, dependencies, tags, tagChars } = LIMITS.queue;
  checkName("taskId", spec.taskId, nameChars);
  checkName("action", spec.action, nameChars);
  if (spec.group !== undefined) checkName("group", spec.group, nameChars);
  if (spec.idempotencyKey !== undefined) checkName("idempotencyKey", spec.idempotencyKey, nameChars);
  if (spec.priority !== undefined) checkNumber("priority", spec.priority, -priority, priority);
  checkRetry(spec);
  if (spec.deadlineMs !== undefined) checkNumber("deadlineMs", spec.deadlineMs, 0, 8.64e15);
  if (spec.delayMs !== undefined) checkInteger("delayMs", spec.delayMs, 0, delayMs);
  if (spec.backoff !== undefined) checkBackoff(spec.backoff);
  if (spec.dependsOn !== undefined) checkNames("dependsOn", spec.dependsOn, dependencies, nameChars);
  if (spec.tags !== undefined) checkNames("tags", spec.tags, tags, tagChars);
  if (spec.requires !== undefined) checkNames("requires", spec.requires, tags, tagChars);
  if (spec.onDependencyFailure !== undefined && !["cancel", "run"].includes(spec.onDependencyFailure)) {
    throw invalidArgument("onDependencyFailure", shortText(spec.onDependencyFailure), '"cancel" or "run"');
  }
  checkMetadata("metadata", spec.metadata);
  if (!(spec.input instanceof Uint8Array)) {
    throw invalidArgument("input", shortText(spec.input), "bytes made by packValue");
  }
  if (spec.input.byteLength > inputBytes) {
    throw invalidArgument(
      "input",
      `${spec.input.byteLength} bytes long`,
      `at most ${inputBytes} bytes; a larger value goes by reference`,
    );
  }
}

function checkBackoff(backoff: Partial<Backoff>): void {
  checkObject("backoff", backoff);
  const { shape, delayMs, factor, maxDelayMs, jitter } = backoff;
  const { delayMs: most, backoffFactor } = LIMITS.queue;
  if (shape !== undefined && !["none", "fixed", "linear", "exponential"].includes(shape)) {
    throw invalidArgument("backoff.shape", shortText(shape), "none, fixed, linear or exponential");
  }
  if (delayMs !== undefined) checkNumber("backoff.delayMs", delayMs, 0, most);
  if (maxDelayMs !== undefined) checkNumber("backoff.maxDelayMs", maxDelayMs, 0, most);
  if (factor !== undefined) checkNumber("backoff.factor", factor, 1, backoffFactor);
  if (jitter !== undefined) checkNumber("backoff.jitter", jitter, 0, 1);
}

function checkNames(argument: string, names: readonly string[], most: number, charsMax: number): void {
  if (!Array.isArray(names)) throw invalidArgument(argument, shortText(names), "a list of names");
  if (names.length > most) throw invalidArgument(argument, `${names.length} names`, `at most ${most}`);
  for (let index = 0; index < names.length; index++) {
    if (!isName(names[index], charsMax)) checkName(`${argument}[${index}]`, names[index], charsMax);
  }
}

function checkMetadata(argument: string, value: unknown): void {
  if (value === undefined) return;
  const { metadataBytes } = LIMITS.queue;
  checkObject(argument, value);
  const packed = tryPack(value, metadataBytes);
  if (packed.bytes !== undefined) return;
  const allowed = packed.isTooLarge
    ? `at most ${metadataBytes} bytes packed`
    : "values that can cross threads";
  throw invalidArgument(argument, packed.found, allowed);
}

/** Hash of what a task does. An action holds no NUL, so no other pair of action and input makes the same bytes. */
export function fingerprintOf({ action, input }: Pick<TaskSpec, "action" | "input">): Uint8Array {
  const work = Buffer.allocUnsafe(Buffer.byteLength(action) + 1 + input.byteLength);
  const start = work.write(action);
  work[start] = 0;
  work.set(input, start + 1);
  // As text and back: a view of a shared buffer takes half the time of 32 bytes of their own, and leaves less behind.
  return Buffer.from(hash("sha256", work, "binary"), "binary");
}
