import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fault, isFault } from "../errors/index.ts";
import type { Driver } from "./driver.ts";
import { hasErrno, writeFault } from "./store-fault.ts";

/**
 * Copies a database into a file of its own, which has its name only when all of it is on disk. What an earlier
 * attempt left half done is overwritten.
 *
 * @throws ALREADY_EXISTS, STORE_FULL, STORE_FAILED
 */
export async function copyDatabase(driver: Driver, path: string): Promise<{ sizeBytes: number }> {
  const part = `${path}.part`;
  try {
    await assertFree(path);
    if (driver.copyTo === undefined) {
      throw fault("STORE_FAILED", { path, why: "this store's driver makes no copies" });
    }
    await rm(part, { force: true });
    // Made here, since SQLite would let others read it.
    await (await open(part, "wx", 0o600)).close();
    try {
      await driver.copyTo(part);
      const { size } = await stat(part);
      await flush(part);
      // Looked at again, for the copy took its time and `rename` replaces.
      await assertFree(path);
      await rename(part, path);
      await flush(dirname(path));
      return { sizeBytes: size };
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  } catch (error) {
    throw isFault(error) ? error : writeFault(path, error);
  }
}

async function assertFree(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return;
    throw error;
  }
  throw fault("ALREADY_EXISTS", { kind: "file", name: path });
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
