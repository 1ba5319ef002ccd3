import { stat } from "node:fs/promises";
import { join } from "node:path";
import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, isFault } from "../errors/index.ts";
import { QueueFile, type FiledTask } from "../queue/index.ts";
import type { TaskState } from "../queue/queue.protocol.ts";
import { systemClock } from "../scope/index.ts";
import { openBlobs, type BlobStore } from "../store/index.ts";
import { RunRows, type FiledRun } from "../workflow/index.ts";
import type { RunState } from "../workflow/workflow.protocol.ts";
import { packageVersion } from "./package-version.ts";
import {
  EXPORT_FORMAT,
  EXPORT_VERSION,
  blobsIn,
  toJson,
  type BlobLine,
  type ExportLine,
  type HeadLine,
  type RunLine,
  type TaskLine,
} from "./export-format.ts";
import { openStopped } from "./stopped-data.ts";
import { throwIfWithdrawn } from "./whole-directory.ts";

export interface ExportOptions {
  readonly data: string;
  /** Takes one line, its end included; the next one waits for it. */
  readonly write: (line: string) => Promise<void> | void;
  /** Only tasks, and only runs, in these states; null = all. */
  readonly tasks: readonly TaskState[] | null;
  readonly runs: readonly RunState[] | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly tasks: number; readonly runs: number }) => void;
}

export interface ExportSummary {
  readonly tasks: number;
  readonly runs: number;
  readonly blobs: number;
  /** Large values that are named and not in the file: gone, damaged, or too large for it. */
  readonly blobsLeftOut: number;
}

const WAY_OUT = "end that process first";
/** Lines between two looks at whoever waits. */
const TELL_EVERY = 256;

/**
 * Writes tasks and runs of a data directory that nobody has open, line by line: one at a time is held in memory, beside
 * what the queue itself holds of all tasks.
 *
 * @throws FILE_UNREADABLE, STORE_OWNED, STORE_NEWER, STORE_CORRUPT, CANCELLED, and what `write` throws
 */
export async function exportLines(options: ExportOptions): Promise<ExportSummary> {
  const { data, write, tasks, runs, signal, onProgress } = options;
  await using stopped = await openStopped(data, { wayOut: WAY_OUT });
  const blobs = new ExportedBlobs(stopped.path);
  const done = { tasks: 0, runs: 0 };
  const put = async (line: ExportLine | HeadLine): Promise<void> => write(`${JSON.stringify(line)}\n`);
  const putWithBlobs = async (values: readonly unknown[], line: ExportLine): Promise<void> => {
    throwIfWithdrawn({ what: "the export", signal });
    for await (const piece of blobs.linesFor(values)) await put(piece);
    await put(line);
    done[line.kind === "run" ? "runs" : "tasks"] += 1;
    if ((done.tasks + done.runs) % TELL_EVERY === 0) onProgress?.({ ...done });
  };
  await put({
    format: EXPORT_FORMAT,
    version: EXPORT_VERSION,
    package: packageVersion(),
    createdAt: new Date(systemClock.wallNow()).toISOString(),
    tasks: tasks && [...tasks],
    runs: runs && [...runs],
  });
  const { "queue.sqlite": queue, "scheduler.sqlite": scheduler } = stopped.stores;
  if (queue && tasks?.length !== 0) {
    const file = new QueueFile(queue, systemClock.wallNow());
    for (const task of file.tasks(tasks ?? undefined)) {
      const { line, values } = taskLine(task);
      await putWithBlobs(values, line);
    }
  }
  if (scheduler && runs?.length !== 0) {
    const rows = new RunRows(scheduler);
    for (const run of rows.every()) {
      if (runs && !runs.includes(run.state)) continue;
      const { line, values } = runLine(run, rows);
      await putWithBlobs(values, line);
    }
  }
  await put({ kind: "end", ...done, blobs: blobs.count });
  return { ...done, blobs: blobs.count, blobsLeftOut: blobs.leftOut };
}

function taskLine(task: FiledTask): { line: TaskLine; values: unknown[] } {
  const { taskId, action, state, priority, timeoutMs, attempts, backoff, onDependencyFailure } = task;
  const { tags, requires, group, dependsOn, blockedBy, idempotencyKey, metadata, submittedAtMs, deadlineMs } =
    task;
  const { notBeforeMs, attempt, interruptions, startedAtMs, endedAtMs, workerId, origin, successor, error } =
    task;
  const { furtherKeys } = task;
  const input = unpackValue(task.input);
  const output = task.output && unpackValue(task.output);
  const line: TaskLine = {
    kind: "task",
    id: taskId,
    action,
    input: toJson(task.input, input),
    state,
    priority,
    timeoutMs,
    attempts,
    backoff,
    onDependencyFailure,
    tags: [...tags],
    requires: [...requires],
    group,
    dependsOn: [...dependsOn],
    waitsFor: [...blockedBy],
    idempotencyKey,
    ...(furtherKeys.length > 0 && { furtherKeys: [...furtherKeys] }),
    metadata: metadata === null ? null : toJson(packValue(metadata)),
    submittedAtMs,
    deadlineMs,
    notBeforeMs,
    attempt,
    interruptions,
    startedAtMs,
    endedAtMs,
    workerId,
    origin,
    successor,
    ...(task.output && { output: toJson(task.output, output) }),
    ...(error && { error: toJson(packValue(error)) }),
  };
  return { line, values: [input, output] };
}

function runLine(run: FiledRun, rows: RunRows): { line: RunLine; values: unknown[] } {
  const { workflowId, state, submittedAtMs, definition, summary, steps } = run;
  const cached = [...rows.keptOutputs(workflowId)].flatMap(([stepId, items]) =>
    Array.from(items, ([item, { output }]) => [item < 0 ? stepId : `${stepId}[${item}]`, output] as const),
  );
  const line: RunLine = {
    kind: "run",
    workflowId,
    state,
    submittedAtMs,
    definition: toJson(definition),
    summary: summary && toJson(summary),
    steps: steps && toJson(steps),
    cachedOutputs: Object.fromEntries(cached.map(([stepId, output]) => [stepId, toJson(output)])),
  };
  return { line, values: cached.map(([, output]) => unpackValue(output)) };
}

/** Large values, each written once, before the first line that names it. */
class ExportedBlobs {
  count = 0;
  leftOut = 0;
  readonly #directory: string;
  readonly #blobs: BlobStore;
  readonly #seen = new Set<string>();

  constructor(data: string) {
    this.#directory = join(data, "blobs");
    this.#blobs = openBlobs({ directory: this.#directory });
  }

  async *linesFor(values: readonly unknown[]): AsyncGenerator<BlobLine> {
    for (const sha256 of values.flatMap((value) => [...blobsIn(value)])) {
      if (this.#seen.has(sha256)) continue;
      this.#seen.add(sha256);
      const bytes = await this.#read(sha256);
      this[bytes ? "count" : "leftOut"] += 1;
      if (!bytes) continue;
      const { pieceBytes } = LIMITS.transfer;
      // An empty one has one piece too.
      for (let at = 0; at === 0 || at < bytes.byteLength; at += pieceBytes) {
        const piece = Buffer.from(bytes.subarray(at, at + pieceBytes)).toString("base64");
        yield { kind: "blob", sha256, sizeBytes: bytes.byteLength, at, bytes: piece };
      }
    }
  }

  /** Undefined for one that is lost, or too large: the line that names it tells its hash. */
  async #read(sha256: string): Promise<Uint8Array | undefined> {
    try {
      const { size } = await stat(join(this.#directory, sha256.slice(0, 2), sha256.slice(2)));
      return size > LIMITS.transfer.blobBytes ? undefined : await this.#blobs.get(sha256);
    } catch (error) {
      if (isFault(error, "BLOB_CORRUPT") || (error as NodeJS.ErrnoException).code === "ENOENT")
        return undefined;
      throw error;
    }
  }
}
