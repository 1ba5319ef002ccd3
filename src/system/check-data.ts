import { closeSync, fdatasyncSync, openSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isFault, sentenceOf } from "../errors/index.ts";
import { checkStore } from "../store/index.ts";
import { STORE_NAMES, type StoreName } from "./store-names.ts";

/** What became of the check of one file. */
export interface CheckedFile {
  readonly name: StoreName;
  readonly sizeBytes: number;
  /** Somebody has it open, who looked through it before. */
  readonly isOwned: boolean;
  /** One sentence each; empty when all is well. */
  readonly findings: readonly string[];
}

/** Looks through the files of a data directory as a whole, and changes nothing. */
export function checkData(data: string): CheckedFile[] {
  return STORE_NAMES.flatMap((name) => {
    const path = join(data, name);
    const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size;
    return sizeBytes === undefined ? [] : [{ name, sizeBytes, ...checked(path) }];
  });
}

function checked(path: string): Pick<CheckedFile, "isOwned" | "findings"> {
  try {
    return { isOwned: false, findings: checkStore(path) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return isFault(error, "STORE_OWNED")
      ? { isOwned: true, findings: [] }
      : { isOwned: false, findings: [sentenceOf(error)] };
  }
}

export interface DiskSpeed {
  /** Of one flush of 4 KiB, in milliseconds: the median and the longest. */
  readonly flushMs: number;
  readonly flushMsMax: number;
  readonly freeBytes: number;
}

const FLUSHES = 32;
const PAGE_BYTES = 4_096;

/** How long the disk under a directory takes to make something durable. What it writes is gone afterwards. */
export function measureDisk(directory: string): DiskSpeed {
  const path = join(directory, `.doctor-${process.pid}`);
  const page = Buffer.alloc(PAGE_BYTES, 1);
  const file = openSync(path, "wx", 0o600);
  const times: number[] = [];
  try {
    for (let flush = 0; flush < FLUSHES; flush++) {
      const sinceMs = performance.now();
      writeSync(file, page, 0, PAGE_BYTES, flush * PAGE_BYTES);
      fdatasyncSync(file);
      times.push(performance.now() - sinceMs);
    }
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
  times.sort((a, b) => a - b);
  const { bavail, bsize } = statfsSync(directory);
  return {
    flushMs: times[FLUSHES / 2] ?? 0,
    flushMsMax: times.at(-1) ?? 0,
    freeBytes: bavail * bsize,
  };
}
