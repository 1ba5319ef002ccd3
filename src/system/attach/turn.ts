import { existsSync } from "node:fs";
import { join } from "node:path";
import { takeLock, type LockFile } from "../../store/index.ts";

/**
 * Whose turn it is to open the stores of a directory: of several processes that want to, one tries at a time. It is kept
 * until they are closed again, so whoever does not get it waits for an owner that opens, serves or closes. It decides
 * nothing: who owns the directory is told by the locks of the stores, which also keep out those who ask for no turn.
 *
 * @returns undefined: it is somebody else's
 */
export function takeTurn(data: string): LockFile | undefined {
  const path = join(data, "owner.lock");
  try {
    return takeLock(path, { isNew: !existsSync(path) });
  } catch {
    // Made or removed by another one at this moment.
    return undefined;
  }
}
