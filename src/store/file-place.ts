import { closeSync, fsyncSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fault } from "../errors/index.ts";

/**
 * Watches that an open file keeps its name: what is written to one that has been deleted is gone with the process, and
 * nobody would be told. A look costs a few microseconds, which is little beside a commit.
 *
 * @returns throws when another file has the name, or none
 */
export function watchPlace(path: string): () => void {
  const opened = statSync(path);
  return () => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.ino === opened.ino && found.dev === opened.dev) return;
    const why = "it is not at its place any more; put it back, or end this process and start it anew";
    throw fault("STORE_FAILED", { path, why });
  };
}

/** The names in the directory of a file are on disk. */
export function flushDirectoryOf(path: string): void {
  // Windows has no handle for a directory, and flushes its entries by itself.
  if (process.platform === "win32") return;
  const handle = openSync(dirname(path), "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
