import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory with those above it. Node's own way to do so never ends where a directory that exists takes no new
 * entries and says that it is not there, as /proc does.
 *
 * @param path absolute
 * @param mode of those that are made; the process's mask takes from it
 */
export function createDirectory(path: string, mode: number): void {
  const exists = (): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (exists()) return;
  if (dirname(path) !== path) createDirectory(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have been faster.
    if (!exists()) throw error;
  }
}
