import { Reference, packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, sentenceOf } from "../errors/index.ts";
import { TASK_STATES, type TaskSpec } from "../queue/queue.protocol.ts";
import { check, z } from "../schema/zod-schema.ts";
import { RUN_STATES } from "../workflow/workflow.protocol.ts";

/**
 * The lines of an export: the head, then tasks, runs and large values, then the end, which tells how many there were,
 * so that a file that was cut is known for one.
 *
 * ```
 * {"format":"mcplusplus.export","version":1,…}
 * {"kind":"blob","sha256":…,"sizeBytes":…,"at":0,"bytes":"base64"}     piece after piece, before what names it
 * {"kind":"task","id":…,"action":…,"input":…,"state":"queued",…}       in submission order
 * {"kind":"run","workflowId":…,"definition":…,…}                       in submission order
 * {"kind":"end","tasks":…,"runs":…,"blobs":…}
 * ```
 */
export const EXPORT_FORMAT = "mcplusplus.export";
export const EXPORT_VERSION = 1;

// --- values -----------------------------------------------------------------------------------------------------------

/** The one key of a value that JSON has no word for: its MessagePack bytes. */
const BYTES = "$bytes";

/**
 * What `packValue` made of a value, as JSON: the value itself where packing what JSON makes of it gives the same bytes,
 * else the bytes. So an import gives exactly what was exported, hash and all.
 */
export function toJson(bytes: Uint8Array, value: unknown = unpackValue(bytes)): unknown {
  const text = jsonTextOf(value);
  if (text !== undefined) {
    const parsed = JSON.parse(text) as unknown;
    if (bytesIn(parsed) === undefined && Buffer.compare(packValue(parsed), bytes) === 0) return parsed;
  }
  return { [BYTES]: Buffer.from(bytes).toString("base64") };
}

/** The way back. @throws an Error whose message says what is wrong */
export function fromJson(json: unknown): Uint8Array {
  if (json === undefined) throw new Error("its input is missing");
  const text = bytesIn(json);
  if (text === undefined) return packValue(json);
  const bytes = bytesOf(text);
  try {
    unpackValue(bytes);
  } catch (error) {
    throw new Error(`its ${BYTES} are no MessagePack value: ${sentenceOf(error)}`, { cause: error });
  }
  return bytes;
}

/** @throws an Error when it is no base64: Node's decoder takes anything */
export function bytesOf(text: string): Uint8Array {
  const buffer = Buffer.from(text, "base64");
  if (buffer.toString("base64") !== text) throw new Error("its bytes are no base64");
  return new Uint8Array(buffer);
}

function bytesIn(json: unknown): string | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const entries = Object.entries(json);
  const [only] = entries;
  return entries.length === 1 && only?.[0] === BYTES && typeof only[1] === "string" ? only[1] : undefined;
}

/** Undefined for what JSON cannot say at all, such as a bigint. */
function jsonTextOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

const ADDRESS = /^[0-9a-f]{64}$/;

/** Hashes of the large values that a value refers to. */
export function blobsIn(value: unknown, found = new Set<string>()): Set<string> {
  // A handler may make a reference to anything.
  if (value instanceof Reference) {
    if (ADDRESS.test(value.sha256)) found.add(value.sha256);
  } else if (Array.isArray(value)) for (const item of value) blobsIn(item, found);
  else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const field of Object.values(value)) blobsIn(field, found);
  }
  return found;
}

// --- lines ------------------------------------------------------------------------------------------------------------

const ms = z.number().min(0).max(8.64e15);
const count = z.int().min(0);
const sha256 = z.string().regex(ADDRESS);
const backoff = z.strictObject({
  shape: z.enum(["none", "fixed", "linear", "exponential"]),
  delayMs: z.number(),
  factor: z.number(),
  maxDelayMs: z.number(),
  jitter: z.number(),
});

export const headShape = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  version: z.literal(EXPORT_VERSION),
  package: z.string(),
  createdAt: z.iso.datetime(),
  /** States that were asked for; null = all. */
  tasks: z.array(z.enum(TASK_STATES)).nullable(),
  runs: z.array(z.enum(RUN_STATES)).nullable(),
});

/** Ids, numbers and sizes have their bounds from the queue itself, which refuses them in its own words. */
const taskShape = z.strictObject({
  kind: z.literal("task"),
  id: z.string(),
  action: z.string(),
  input: z.unknown(),
  state: z.enum(TASK_STATES),
  priority: z.number(),
  timeoutMs: z.number().nullable(),
  attempts: z.number(),
  backoff,
  onDependencyFailure: z.enum(["cancel", "run"]),
  tags: z.array(z.string()),
  requires: z.array(z.string()),
  group: z.string().nullable(),
  dependsOn: z.array(z.string()),
  /** Of those, the ones that had not ended. */
  waitsFor: z.array(z.string()),
  idempotencyKey: z.string().nullable(),
  /** Keys that later submits gave to it; absent = none. */
  furtherKeys: z.array(z.string()).optional(),
  metadata: z.unknown(),
  submittedAtMs: ms,
  deadlineMs: ms.nullable(),
  notBeforeMs: ms.nullable(),
  // What became of it until now: told, and not imported.
  attempt: count,
  interruptions: count,
  startedAtMs: ms.nullable(),
  endedAtMs: ms.nullable(),
  workerId: z.string().nullable(),
  origin: z.string().nullable(),
  successor: z.string().nullable(),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
});

const runShape = z.strictObject({
  kind: z.literal("run"),
  workflowId: z.string(),
  state: z.enum(RUN_STATES),
  submittedAtMs: ms,
  definition: z.unknown(),
  summary: z.unknown(),
  steps: z.unknown(),
  cachedOutputs: z.record(z.string(), z.unknown()),
});

const blobShape = z.strictObject({
  kind: z.literal("blob"),
  sha256,
  sizeBytes: count.max(LIMITS.transfer.blobBytes),
  at: count,
  bytes: z.string(),
});

const endShape = z.strictObject({ kind: z.literal("end"), tasks: count, runs: count, blobs: count });

const lineShape = z.discriminatedUnion("kind", [taskShape, runShape, blobShape, endShape]);

export type HeadLine = z.infer<typeof headShape>;
export type TaskLine = z.infer<typeof taskShape>;
export type RunLine = z.infer<typeof runShape>;
export type BlobLine = z.infer<typeof blobShape>;
export type ExportLine = z.infer<typeof lineShape>;

/** @throws an Error whose message says what is wrong */
export function lineFrom(value: unknown): ExportLine {
  const checked = check(lineShape, value);
  if (checked.problems) throw new Error(checked.problems.join("; "));
  return checked.value;
}

/**
 * The work of a task line, as a submit takes it. What it waited for in vain or has done already is not waited for
 * again; how often it was tried is forgotten.
 *
 * @throws an Error whose message says what is wrong
 */
export function specFrom(line: TaskLine, input: Uint8Array, nowMs: number): TaskSpec {
  const { id, action, priority, timeoutMs, attempts, waitsFor, onDependencyFailure, deadlineMs } = line;
  const metadata = (line.metadata ?? null) === null ? undefined : unpackValue(fromJson(line.metadata));
  const delayMs = Math.max(0, Math.ceil((line.notBeforeMs ?? 0) - nowMs));
  return {
    taskId: id,
    action,
    input,
    priority,
    attempts,
    backoff: line.backoff,
    dependsOn: waitsFor,
    onDependencyFailure,
    delayMs,
    tags: line.tags,
    requires: line.requires,
    ...(timeoutMs === null ? {} : { timeoutMs }),
    ...(deadlineMs === null ? {} : { deadlineMs }),
    ...(line.idempotencyKey === null ? {} : { idempotencyKey: line.idempotencyKey }),
    ...(metadata === undefined ? {} : { metadata: metadata as NonNullable<TaskSpec["metadata"]> }),
  };
}
