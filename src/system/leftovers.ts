import { lstat, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { takeLock } from "../store/index.ts";
import { STORE_NAMES } from "./store-names.ts";

/**
 * A directory that is being made stands beside its target under a hidden name, and beside that the lock of its maker:
 *
 *     .monday.1a2b3c4d.part         what there is of it
 *     .monday.1a2b3c4d.part.lock    held while its maker lives
 */
const LOCK = ".lock";
const PART = ".part";
const RANDOM = /^[0-9a-f]{8}$/;

/** @param random 8 hexadecimal digits */
export const partOf = (target: string, random: string): string =>
  join(dirname(target), `.${basename(target)}.${random}${PART}`);

export const lockOf = (part: string): string => `${part}${LOCK}`;

/**
 * Deletes what makers of the same target have left that died. What is being made, and what may be somebody else's,
 * stays; so does what cannot be deleted, which keeps nobody from making the target anew.
 */
export async function clearLeftovers(target: string): Promise<void> {
  const directory = dirname(target);
  for (const name of await readdir(directory).catch((): string[] => [])) {
    if (!isLock(name, basename(target))) continue;
    const path = join(directory, name);
    const part = path.slice(0, -LOCK.length);
    if (!(await isOurs(part))) continue;
    try {
      using lock = takeLock(path, { isNew: false });
      if (lock !== undefined) await rm(part, { recursive: true, force: true, maxRetries: 5 });
    } catch {
      // Of somebody else, or on a disk that takes nothing any more: whoever makes the target is told of that.
    }
  }
}

function isLock(name: string, target: string): boolean {
  const [before, after] = [`.${target}.`, `${PART}${LOCK}`];
  if (!name.startsWith(before) || !name.endsWith(after)) return false;
  return RANDOM.test(name.slice(before.length, -after.length));
}

/** Nothing is there, or a directory that holds what we put into one and nothing else. */
async function isOurs(part: string): Promise<boolean> {
  try {
    if (!(await lstat(part)).isDirectory()) return false;
    return (await readdir(part)).every(isPartName);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

/** A store while it is copied is called its name and ".part", and SQLite keeps a journal beside that. */
const isPartName = (name: string): boolean =>
  name === "blobs" ||
  name === "manifest.json" ||
  STORE_NAMES.some((store) => name === store || name.startsWith(`${store}${PART}`));
