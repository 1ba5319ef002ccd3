import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { unpackValue } from "../codec/index.ts";
import { fault } from "../errors/index.ts";
import { QueueFile } from "../queue/index.ts";
import { assertWire } from "../schema/index.ts";
import { systemClock } from "../scope/index.ts";
import { openBlobs, type BlobStore } from "../store/index.ts";
import { blobsIn, bytesOf, fromJson, specFrom, type BlobLine, type TaskLine } from "./export-format.ts";
import { inLine, ofLine, readExport } from "./export-reader.ts";
import { openStopped } from "./stopped-data.ts";
import { throwIfWithdrawn, type Withdrawal } from "./whole-directory.ts";

export interface ImportOptions {
  /** An export file. */
  readonly file: string;
  readonly data: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly lines: number;
    readonly phase: "checked" | "imported";
  }) => void;
}

export interface ImportSummary {
  readonly imported: number;
  /** Tasks that were there already, with the same work. */
  readonly known: number;
  readonly leftOut: {
    /** History: for that there is backup and restore. */
    readonly ended: number;
    /** Somebody wanted them to end. */
    readonly cancelling: number;
    /** Steps belong to a run, and a run is more than what it still has to do. */
    readonly steps: number;
    /** They wait for one of the other two, or for another of these. */
    readonly dependents: number;
    readonly runs: number;
  };
  /** Large values that imported tasks refer to. */
  readonly blobs: number;
}

const WAY_OUT = "end that process first";
/** Tasks that are put on disk together. */
const BATCH = 1_000;
/** Lines between two looks at whoever waits. */
const TELL_EVERY = 1_024;

/**
 * Submits the tasks of an export file that have not ended to a data directory that nobody has open; it is made when it
 * is not there. The whole file is gone through first, as if it were imported: nothing is written when anything in it is
 * wrong. Doing it again changes nothing, so it can simply be done again when it was cut off in the middle.
 *
 * @throws FILE_UNREADABLE, EXPORT_INVALID naming the line, STORE_OWNED, STORE_NEWER, STORE_CORRUPT, STORE_FULL, CANCELLED
 */
export async function importFile({ file, data, signal, onProgress }: ImportOptions): Promise<ImportSummary> {
  const withdrawal: Withdrawal = { what: "the import", signal };
  // Before a data directory is made for its sake.
  const look = readExport(file, withdrawal);
  await look.next();
  await look.return(undefined);
  await using stopped = await openStopped(data, { create: true, wayOut: WAY_OUT });
  const store = stopped.stores["queue.sqlite"];
  if (!store) throw fault("FILE_UNREADABLE", { path: stopped.path, why: "it holds no queue.sqlite" });
  const nowMs = systemClock.wallNow();
  const blobs = openBlobs({ directory: join(stopped.path, "blobs") });
  const wanted = new Set<string>();

  const rehearsal = new Rehearsal(file, new QueueFile(store, nowMs), blobs, nowMs);
  let last = 0;
  for await (const { number, line } of readExport(file, withdrawal)) {
    last = number;
    if (number % TELL_EVERY === 0) onProgress?.({ lines: number, phase: "checked" });
    if (line.kind === "blob") inLine(file, number, () => rehearsal.blob(line));
    if (line.kind === "run") rehearsal.leftOut.runs += 1;
    if (line.kind === "task") for (const sha256 of await rehearsal.task(line, number)) wanted.add(sha256);
  }
  inLine(file, last, () => rehearsal.end());

  const queue = new QueueFile(store, nowMs);
  const pieces: Uint8Array[] = [];
  let waiting = 0;
  for await (const { number, line } of readExport(file, withdrawal)) {
    if (number % TELL_EVERY === 0) onProgress?.({ lines: number, phase: "imported" });
    if (line.kind === "blob" && wanted.has(line.sha256)) {
      pieces.push(bytesOf(line.bytes));
      // A value is on disk before the row that names it.
      if (isLast(line)) await blobs.put(Buffer.concat(pieces.splice(0)));
    }
    if (line.kind !== "task" || reasonToLeaveOut(line, rehearsal.without) !== undefined) continue;
    if (queue.add(specFrom(line, fromJson(line.input), nowMs), line.furtherKeys)) waiting += 1;
    if (waiting < BATCH) continue;
    await queue.write();
    waiting = 0;
    throwIfWithdrawn(withdrawal);
  }
  await queue.write();
  const { imported, known, leftOut } = rehearsal;
  return { imported, known, leftOut, blobs: wanted.size };
}

const isLast = ({ at, bytes, sizeBytes }: BlobLine): boolean => at + bytesOf(bytes).byteLength === sizeBytes;

/** @param without ids of tasks that had not ended and were left out before */
function reasonToLeaveOut(
  { state, group, waitsFor }: TaskLine,
  without: ReadonlySet<string>,
): keyof Omit<ImportSummary["leftOut"], "runs"> | undefined {
  if (state === "completed" || state === "failed" || state === "cancelled") return "ended";
  if (state === "cancelling") return "cancelling";
  if (group !== null) return "steps";
  return waitsFor.some((taskId) => without.has(taskId)) ? "dependents" : undefined;
}

/** Goes through a file as if it were imported, and counts. */
class Rehearsal {
  imported = 0;
  known = 0;
  readonly leftOut = { ended: 0, cancelling: 0, steps: 0, dependents: 0, runs: 0 };
  /** Ids of tasks that had not ended and were left out. */
  readonly without = new Set<string>();
  readonly #path: string;
  readonly #queue: QueueFile;
  readonly #blobs: BlobStore;
  readonly #nowMs: number;
  /** Large values that are whole, and the one that is not yet. */
  readonly #whole = new Set<string>();
  #open: { readonly sha256: string; readonly sizeBytes: number; readonly hash: Hash; at: number } | undefined;

  constructor(path: string, queue: QueueFile, blobs: BlobStore, nowMs: number) {
    this.#path = path;
    this.#queue = queue;
    this.#blobs = blobs;
    this.#nowMs = nowMs;
  }

  blob(line: BlobLine): void {
    const { sha256, sizeBytes, at } = line;
    if (at === 0) {
      this.end();
      this.#open = { sha256, sizeBytes, hash: createHash("sha256"), at: 0 };
    }
    const open = this.#open;
    if (open?.sha256 !== sha256 || open.sizeBytes !== sizeBytes || open.at !== at) {
      throw new Error("it does not go on where the piece before it ended");
    }
    const bytes = bytesOf(line.bytes);
    open.hash.update(bytes);
    open.at += bytes.byteLength;
    if (open.at < sizeBytes) return;
    this.#open = undefined;
    const isRight = open.at === sizeBytes && open.hash.digest("hex") === sha256;
    if (!isRight) throw new Error(`the large value ${sha256} is damaged: its content has another hash`);
    this.#whole.add(sha256);
  }

  /** Resolves with the large values of this file that the task needs. @throws EXPORT_INVALID */
  async task(line: TaskLine, number: number): Promise<ReadonlySet<string>> {
    try {
      this.end();
      const why = reasonToLeaveOut(line, this.without);
      if (why !== undefined) {
        this.leftOut[why] += 1;
        if (why !== "ended") this.without.add(line.id);
        return new Set();
      }
      const input = fromJson(line.input);
      const value = unpackValue(input);
      const spec = specFrom(line, input, this.#nowMs);
      if (spec.metadata !== undefined) assertWire(spec.metadata, "its metadata");
      const needed = blobsIn(value);
      for (const sha256 of needed) {
        if (this.#whole.has(sha256)) continue;
        if (!(await this.#blobs.has(sha256))) {
          throw new Error(
            `its input refers to the large value ${sha256}, which is neither before it nor in the data directory`,
          );
        }
        needed.delete(sha256);
      }
      this[this.#queue.add(spec, line.furtherKeys) ? "imported" : "known"] += 1;
      this.#queue.forget();
      return needed;
    } catch (error) {
      throw ofLine(this.#path, number, error);
    }
  }

  /** @throws an Error when a large value was begun and not ended */
  end(): void {
    if (this.#open) throw new Error(`the large value ${this.#open.sha256} before it is not whole`);
  }
}
