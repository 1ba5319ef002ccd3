import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { lstat, open, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createDirectory } from "../store/create-directory.ts";
import { irregularKind } from "./regular-file.ts";

/**
 * Writes a file so that others see the old content or the new: under another name in the same directory, to disk,
 * and then over the old name in one step. What is there must be a file: a device, or a pipe that somebody reads, would
 * be gone.
 *
 * @param beforeReplacing called in the same turn as that step; throwing leaves the old file
 */
export async function replaceWholeFile(
  path: string,
  content: string | Uint8Array,
  beforeReplacing: () => void,
): Promise<void> {
  const directory = dirname(path);
  await mustBeReplaceable(path);
  createDirectory(directory, 0o777);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    beforeReplacing();
    renameSync(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

async function mustBeReplaceable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  const kind = found === null ? null : irregularKind(found);
  if (kind !== null) throw new Error(`it is ${kind}`);
}

/** The new name is on disk only when its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
