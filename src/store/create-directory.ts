import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory with those above it. Node's own way to do so never ends where a directory that exists takes no new
 * entries and says that it is not there, as /proc does.
 *
 * @param path absolute
 * @param mode of those that are made; the process's mask takes from it
 * @returns the highest one that was made; undefined when there was nothing to make
 * @throws the system's error
 */
export function createDirectory(path: string, mode: number): string | undefined {
  const exists = (): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (exists()) return undefined;
  const above = dirname(path) === path ? undefined : createDirectory(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
    return above ?? path;
  } catch (error) {
    // Another process may have been faster.
    if (!exists()) throw error;
    return above;
  }
}
