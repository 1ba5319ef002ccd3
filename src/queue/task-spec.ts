import { hash } from "node:crypto";
import { packValue } from "../codec/index.ts";
import { LIMITS } from "../errors/index.ts";
import { checkInteger, checkName, checkNumber, findNonWire, invalidArgument } from "../schema/index.ts";
import type { Backoff, Quota, TaskOrder, TaskSpec, WorkerSpec } from "./queue.protocol.ts";

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
  const { batchTasks } = LIMITS.queue;
  if (taskIds.length > batchTasks) {
    throw invalidArgument("taskIds", `${taskIds.length} ids`, `at most ${batchTasks} at a time`);
  }
  checkReason(reason);
}

/** @throws INVALID_ARGUMENT */
export function checkReason(reason: string): void {
  const { reasonChars } = LIMITS.queue;
  if (typeof reason !== "string" || reason.length > reasonChars) {
    const got = typeof reason === "string" ? `${reason.length} characters long` : typeof reason;
    throw invalidArgument("reason", got, `a text of at most ${reasonChars} characters`);
  }
}

/** @throws INVALID_ARGUMENT */
export function checkOrder(order: TaskOrder): void {
  const ms = (argument: string, value: number | undefined): void => {
    if (value !== undefined) checkNumber(`order.${argument}`, value, 1, LIMITS.queue.delayMs);
  };
  if (order.by === "priority") ms("ageingMs", order.ageingMs);
  else if (order.by === "priority_deadline") {
    if (order.weightMs !== undefined) checkNumber("order.weightMs", order.weightMs, 0, LIMITS.queue.delayMs);
    ms("horizonMs", order.horizonMs);
  } else if (order.by !== "fifo" && order.by !== "deadline") {
    const { by } = order as { by: unknown };
    throw invalidArgument(
      "order.by",
      JSON.stringify(by) ?? "undefined",
      "fifo, priority, deadline or priority_deadline",
    );
  }
}

/** @throws INVALID_ARGUMENT */
export function checkQuota(quota: Quota): void {
  const { nameChars, tagChars } = LIMITS.queue;
  const { scope, name, concurrency, perSecond, burst, queued, weight } = quota;
  if (scope !== "action" && scope !== "tag") {
    throw invalidArgument("quota.scope", JSON.stringify(scope) ?? "undefined", '"action" or "tag"');
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
export function checkWorker({
  workerId,
  capabilities,
  maxConcurrent,
  resourceLimits,
  metadata,
}: WorkerSpec): void {
  const { nameChars, workerTasks } = LIMITS.queue;
  checkName("workerId", workerId, nameChars);
  if (capabilities.length > 1_000) {
    throw invalidArgument("capabilities", `${capabilities.length} names`, "at most 1000");
  }
  for (const [index, each] of capabilities.entries()) checkName(`capabilities[${index}]`, each, nameChars);
  if (maxConcurrent !== undefined) checkInteger("maxConcurrent", maxConcurrent, 1, workerTasks);
  checkMetadata("resourceLimits", resourceLimits);
  checkMetadata("metadata", metadata);
}

/** @throws INVALID_ARGUMENT */
export function checkLease(leaseMs: number): void {
  checkInteger("leaseMs", leaseMs, LIMITS.queue.leaseMsMin, LIMITS.queue.leaseMs);
}

function checkSpec(spec: TaskSpec, argument: string): void {
  const { nameChars, priority, attempts, inputBytes, timeoutMs, delayMs, dependencies, tags, tagChars } =
    LIMITS.queue;
  checkName(`${argument}taskId`, spec.taskId, nameChars);
  checkName(`${argument}action`, spec.action, nameChars);
  if (spec.group !== undefined) checkName(`${argument}group`, spec.group, nameChars);
  if (spec.idempotencyKey !== undefined)
    checkName(`${argument}idempotencyKey`, spec.idempotencyKey, nameChars);
  if (spec.priority !== undefined) checkNumber(`${argument}priority`, spec.priority, -priority, priority);
  if (spec.attempts !== undefined) checkInteger(`${argument}attempts`, spec.attempts, 1, attempts);
  if (spec.timeoutMs !== undefined) checkInteger(`${argument}timeoutMs`, spec.timeoutMs, 1, timeoutMs);
  if (spec.deadlineMs !== undefined) checkNumber(`${argument}deadlineMs`, spec.deadlineMs, 0, 8.64e15);
  if (spec.delayMs !== undefined) checkInteger(`${argument}delayMs`, spec.delayMs, 0, delayMs);
  if (spec.backoff !== undefined) checkBackoff(spec.backoff, `${argument}backoff.`);
  if (spec.dependsOn !== undefined)
    checkNames(`${argument}dependsOn`, spec.dependsOn, dependencies, nameChars);
  if (spec.tags !== undefined) checkNames(`${argument}tags`, spec.tags, tags, tagChars);
  if (spec.requires !== undefined) checkNames(`${argument}requires`, spec.requires, tags, tagChars);
  if (spec.onDependencyFailure !== undefined && !["cancel", "run"].includes(spec.onDependencyFailure)) {
    throw invalidArgument(
      `${argument}onDependencyFailure`,
      `"${spec.onDependencyFailure}"`,
      '"cancel" or "run"',
    );
  }
  checkMetadata(`${argument}metadata`, spec.metadata);
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

function checkBackoff(
  { shape, delayMs, factor, maxDelayMs, jitter }: Partial<Backoff>,
  argument: string,
): void {
  const { delayMs: most, backoffFactor } = LIMITS.queue;
  if (shape !== undefined && !["none", "fixed", "linear", "exponential"].includes(shape)) {
    throw invalidArgument(`${argument}shape`, `"${shape}"`, "none, fixed, linear or exponential");
  }
  if (delayMs !== undefined) checkNumber(`${argument}delayMs`, delayMs, 0, most);
  if (maxDelayMs !== undefined) checkNumber(`${argument}maxDelayMs`, maxDelayMs, 0, most);
  if (factor !== undefined) checkNumber(`${argument}factor`, factor, 1, backoffFactor);
  if (jitter !== undefined) checkNumber(`${argument}jitter`, jitter, 0, 1);
}

function checkNames(argument: string, names: readonly string[], most: number, charsMax: number): void {
  if (!Array.isArray(names)) throw invalidArgument(argument, typeof names, "a list of names");
  if (names.length > most) throw invalidArgument(argument, `${names.length} names`, `at most ${most}`);
  for (const [index, name] of names.entries()) checkName(`${argument}[${index}]`, name, charsMax);
}

function checkMetadata(argument: string, value: unknown): void {
  if (value === undefined) return;
  const { metadataBytes } = LIMITS.queue;
  const found = findNonWire(value);
  if (found !== undefined) throw invalidArgument(argument, found, "values that can cross threads");
  const sizeBytes = packValue(value).byteLength;
  if (sizeBytes > metadataBytes)
    throw invalidArgument(argument, `${sizeBytes} bytes packed`, `at most ${metadataBytes}`);
}

/** Hash of what a task does. An action holds no NUL, so no other pair of action and input makes the same bytes. */
export function fingerprintOf({ action, input }: Pick<TaskSpec, "action" | "input">): Uint8Array {
  return hash("sha256", Buffer.concat([Buffer.from(action), NUL, input]), "buffer");
}

const NUL = Buffer.of(0);
