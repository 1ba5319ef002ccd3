import { randomUUID } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isFault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import { TEMPORARY, blobFilesIn, ifThere, namesIn, putBack, setAge, statIfThere } from "./blob-files.ts";
import { writeFault } from "./store-fault.ts";

export interface CollectOptions {
  readonly keep: (sha256: string) => boolean;
  /** Milliseconds since 1970 UTC. Asked anew before each removal: the clock may be set back meanwhile. */
  readonly beforeMs: () => number;
  readonly signal?: AbortSignal;
}

export interface Collected {
  /** Values, and files that were never finished. */
  readonly removed: number;
  readonly freedBytes: number;
}

type WallClock = Pick<Clock, "wallNow">;

/** Its age tells when a collection last came to its end. */
const STAMP = "collected";

/** @see BlobStore.old */
export async function* oldBlobs(directory: string, beforeMs: number): AsyncGenerator<string> {
  for await (const { sha256, path, aside } of blobFilesIn(directory)) {
    if (!aside && (await isOld(path, beforeMs))) yield sha256;
  }
}

/** @see BlobStore.mend */
export async function mendBlobs(directory: string, clock: WallClock): Promise<void> {
  for await (const { path, aside } of blobFilesIn(directory)) if (aside) await mend(path, clock);
}

/** @see BlobStore.collect */
export async function collectBlobs(
  directory: string,
  { keep, beforeMs, signal }: CollectOptions,
  clock: WallClock,
): Promise<Collected> {
  const collected = { removed: 0, freedBytes: 0 };
  const took = (sizeBytes: number | null): void => {
    if (sizeBytes === null) return;
    collected.removed += 1;
    collected.freedBytes += sizeBytes;
  };
  try {
    for await (const { sha256, path, aside } of blobFilesIn(directory)) {
      signal?.throwIfAborted();
      if (aside) await mend(path, clock);
      else if (await isOld(path, beforeMs())) took(keep(sha256) ? null : await removeIfOld(path, beforeMs));
    }
    for (const name of await namesIn(join(directory, TEMPORARY))) {
      signal?.throwIfAborted();
      const path = join(directory, TEMPORARY, name);
      const found = await statIfThere(path);
      if (found === undefined || found.mtimeMs >= beforeMs()) continue;
      await rm(path, { force: true });
      took(found.size);
    }
    await stamp(directory, clock.wallNow());
    return collected;
  } catch (error) {
    signal?.throwIfAborted();
    throw isFault(error) ? error : writeFault(directory, error);
  }
}

/** @see BlobStore.collectedAtMs */
export async function collectedAtMs(directory: string): Promise<number | null> {
  return (await statIfThere(join(directory, STAMP)))?.mtimeMs ?? null;
}

/** Nothing is made where no value was ever put. */
async function stamp(directory: string, wallMs: number): Promise<void> {
  const path = join(directory, STAMP);
  if (await setAge(path, wallMs)) return;
  if (await ifThere(writeFile(path, "", { mode: 0o600 }))) await setAge(path, wallMs);
}

async function isOld(path: string, beforeMs: number): Promise<boolean> {
  return ((await statIfThere(path))?.mtimeMs ?? Infinity) < beforeMs;
}

const mend = (aside: string, clock: WallClock): Promise<void> =>
  putBack(aside, aside.slice(0, aside.lastIndexOf(".")), clock.wallNow());

/**
 * Its size when it was removed; null when it is young after all. It is put aside and looked at again there, since a
 * `put` may have made it young, and trusted it, a moment ago. What makes it young from now on does not find it, and
 * puts it anew.
 */
async function removeIfOld(path: string, beforeMs: () => number): Promise<number | null> {
  const aside = `${path}.${randomUUID()}`;
  if (!(await ifThere(rename(path, aside)))) return null;
  const { mtimeMs, size } = await stat(aside);
  if (mtimeMs < beforeMs()) {
    await rm(aside, { force: true });
    return size;
  }
  await rename(aside, path);
  return null;
}
