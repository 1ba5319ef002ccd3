import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fault, isFault, sentenceOf } from "../errors/index.ts";
import { createDirectory } from "../store/create-directory.ts";
import { takeLock, type LockFile } from "../store/index.ts";
import { clearLeftovers, lockOf, partOf } from "./leftovers.ts";
import { withdrawn } from "./withdrawal.ts";

/** What the makers of a directory need to know of the one who asked for it. */
export interface Withdrawal {
  /** For the sentence: "the backup". */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

export interface FileFigures {
  readonly sizeBytes: number;
  readonly sha256: string;
}

const PIECE_BYTES = 1_048_576;

const randomId = (): string => randomUUID().slice(0, 8);

/**
 * Fills a directory beside `target`, and gives it that name when all of it is on disk. Whatever goes wrong before that
 * leaves nothing of it; the death of the process leaves a hidden `.<name>.<random>.part`, and nothing under the name. The
 * next one to make the same target deletes that.
 *
 * @param place gives the finished directory its name; default: a rename, which only an empty directory gives way to
 * @throws what `fill` and `place` throw; FILE_UNWRITABLE, STORE_FULL, DIRECTORY_NOT_EMPTY, CANCELLED
 */
export async function makeWhole<T>(
  target: string,
  fill: (temporary: string) => Promise<T>,
  { what, signal }: Withdrawal,
  place: (temporary: string) => Promise<void> = (temporary) => rename(temporary, target),
): Promise<T> {
  let temporary = partOf(target, randomId());
  let lock: LockFile | undefined;
  try {
    createDirectory(dirname(target), 0o700);
    await clearLeftovers(target);
    // Before there is anything: what nobody holds is what somebody has left.
    lock = takeLock(lockOf(temporary), { isNew: true });
    if (lock === undefined) {
      // Whoever clears up was faster, and is about to delete what has this name.
      temporary = partOf(target, randomId());
      lock = takeLock(lockOf(temporary), { isNew: true });
    }
    await mkdir(temporary, { mode: 0o700 });
    const made = await fill(temporary);
    await flushTree(temporary);
    throwIfWithdrawn({ what, signal });
    await place(temporary);
    await flushDirectory(dirname(target));
    return made;
  } catch (error) {
    // An owner that was asked for a copy may still be writing into it. What is told is the first failure.
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
    // Told as the withdrawal of the whole, not of the step that it met.
    throw isFault(error, "CANCELLED") && signal?.aborted
      ? withdrawn(what, signal)
      : writeFault(target, error);
  } finally {
    lock?.[Symbol.dispose]();
  }
}

/**
 * Where a directory is to be made, its links resolved, so that it is made beside the place that they lead to.
 *
 * @throws DIRECTORY_NOT_EMPTY, FILE_UNWRITABLE when something else has the name
 */
export async function emptyPlace(path: string, wayOut: string): Promise<string> {
  const target = await realPlace(path);
  if ((await namesIn(target)).length > 0) throw fault("DIRECTORY_NOT_EMPTY", { path: target, wayOut });
  return target;
}

/** The same for one that may hold something. */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const above = dirname(resolve(path));
    return above === resolve(path) ? above : join(await realPlace(above), basename(path));
  }
}

/** Empty for a directory that is not there. @throws FILE_UNWRITABLE when it is something else */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    const why = errnoOf(error) === "ENOTDIR" ? "a file is in the way" : sentenceOf(error);
    throw fault("FILE_UNWRITABLE", { path, why }, { cause: error });
  }
}

/** Copies a file and flushes the copy; tells what was read, which is what was written. */
export async function copyFlushed(from: string, to: string, withdrawal: Withdrawal): Promise<FileFigures> {
  await using source = await open(from, "r");
  await using copy = await open(to, "wx", 0o600);
  const figures = await digest(source, withdrawal, (piece) => copy.writeFile(piece));
  await copy.sync();
  return figures;
}

/** Size and hash of a file. */
export async function figuresOf(path: string, withdrawal: Withdrawal): Promise<FileFigures> {
  await using file = await open(path, "r");
  return await digest(file, withdrawal);
}

export function throwIfWithdrawn({ what, signal }: Withdrawal): void {
  if (signal?.aborted) throw withdrawn(what, signal);
}

/** Does everything with each, a few at a time. The first failure ends it, when those under way have ended. */
export async function forEachOf<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const state: { failure?: { readonly error: unknown } } = {};
  const work = async (): Promise<void> => {
    for (let next = waiting.next(); !next.done && !state.failure; next = waiting.next()) {
      try {
        await act(next.value);
      } catch (error) {
        state.failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (state.failure) throw state.failure.error;
}

/** Files that are copied at once: each waits for its flush. */
const AT_ONCE = 8;

export const errnoOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

async function digest(
  file: Awaited<ReturnType<typeof open>>,
  withdrawal: Withdrawal,
  take?: (piece: Uint8Array) => Promise<void>,
): Promise<FileFigures> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, (await file.stat()).size + 1));
  let sizeBytes = 0;
  for (;;) {
    throwIfWithdrawn(withdrawal);
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return { sizeBytes, sha256: hash.digest("hex") };
    sizeBytes += bytesRead;
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    await take?.(piece);
  }
}

/** Names are as durable as their directory: from the leaves to the root. */
async function flushTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await flushTree(join(directory, entry.name));
  }
  await flushDirectory(directory);
}

async function flushDirectory(path: string): Promise<void> {
  // Windows has no handle for a directory, and flushes its entries by itself.
  if (process.platform === "win32") return;
  await using handle = await open(path, "r");
  await handle.sync();
}

function writeFault(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (isFault(error)) return error;
  if (code === "ENOTEMPTY" || code === "EEXIST") {
    return fault(
      "DIRECTORY_NOT_EMPTY",
      { path, wayOut: "something has been put into it meanwhile" },
      { cause: error },
    );
  }
  if (code === "ENOSPC" || code === "EDQUOT") return fault("STORE_FULL", { path }, { cause: error });
  const why = code === "EBUSY" ? "something is mounted there: name a directory in it" : sentenceOf(error);
  return code === undefined ? error : fault("FILE_UNWRITABLE", { path, why }, { cause: error });
}
