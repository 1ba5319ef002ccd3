import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";

/** The directory that a run writes its results to: can it be written, and what was? */
export interface OutDirectory {
  readonly path: string;
  /** Files that are new or other than they were when this was opened, as paths that begin with `path`; sorted. */
  written(): string[];
}

/** Looking for what was written ends after so many entries, so that `--out /` does not take minutes. */
const ENTRIES_MAX = 20_000;

/**
 * @param except a directory whose files are no results, wherever it lies
 * @throws FILE_UNWRITABLE when nothing can be written there; nothing is created yet
 */
export function openOutDirectory(path: string, except: string): OutDirectory {
  checkWritable(path);
  const before = versions(path, resolve(except));
  return {
    path,
    written: () =>
      [...versions(path, resolve(except))]
        .filter(([file, version]) => before.get(file) !== version)
        .map(([file]) => file)
        .toSorted(),
  };
}

function checkWritable(path: string): void {
  const refuse = (why: string, cause?: unknown): never => {
    throw fault("FILE_UNWRITABLE", { path, why }, { cause });
  };
  for (let at = resolve(path); ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (!found && dirname(at) !== at) continue;
    if (!found?.isDirectory()) refuse(at === resolve(path) ? "it is no directory" : `${at} is no directory`);
    try {
      accessSync(at, constants.W_OK | constants.X_OK);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const read =
        code === "EACCES"
          ? "permission is denied"
          : code === "EROFS"
            ? "its file system is read-only"
            : sentenceOf(error);
      refuse(read, error);
    }
  }
}

/** Every file below, with what changes when it is written. Hidden ones are left out: half-written files are hidden. */
function versions(directory: string, except: string): Map<string, string> {
  const found = new Map<string, string>();
  const open = [directory];
  for (let entries = 0; open.length > 0;) {
    const at = open.pop() ?? directory;
    for (const entry of entriesOf(at)) {
      if ((entries += 1) > ENTRIES_MAX) return found;
      if (entry.name.startsWith(".")) continue;
      const path = join(at, entry.name);
      if (entry.isDirectory() && resolve(path) !== except) open.push(path);
      const stat = entry.isFile() ? statSync(path, { bigint: true, throwIfNoEntry: false }) : undefined;
      if (stat) found.set(path, `${stat.ino}/${stat.size}/${stat.mtimeNs}`);
    }
  }
  return found;
}

function entriesOf(directory: string): { name: string; isDirectory(): boolean; isFile(): boolean }[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    // It is not there yet, or may not be read: nothing was seen to be written in it.
    return [];
  }
}
