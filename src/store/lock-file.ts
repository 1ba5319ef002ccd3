import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** A lock that ends with its process, however that ends. */
export interface LockFile extends Disposable {
  /** Deletes the file and gives the lock up. */
  [Symbol.dispose](): void;
}

/**
 * Takes the lock that an empty file stands for, for whoever else asks, in this process or another on this machine.
 *
 * @param isNew whether the file is to be made here
 * @returns undefined when someone else has it, when the file is not such a one, or where files cannot be locked
 */
export function takeLock(path: string, { isNew }: { readonly isNew: boolean }): LockFile | undefined {
  if (isNew) closeSync(openSync(path, "wx", 0o600));
  else if (statSync(path, { throwIfNoEntry: false })?.size !== 0) return undefined;
  // It holds nothing, and never will: SQLite's lock is the one that Node has, on every system.
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Else a journal stands beside it.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch {
    database.close();
    return undefined;
  }
  return {
    [Symbol.dispose]() {
      rmSync(path, { force: true });
      database.close();
    },
  };
}
