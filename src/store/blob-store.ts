import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";
import { hasErrno, writeFault } from "./store-fault.ts";

/**
 * Large values, stored under the hash of their content. Any number of threads and processes may use one directory:
 * equal content has one address, and a file is never changed once it has its name.
 *
 * ```
 *  directory/ab/cdef…   the value whose SHA-256 is abcdef…
 *  directory/tmp/…      being written; never read
 * ```
 */
export interface BlobStore {
  /**
   * Stores a value. When it resolves the value is on disk, directory entries included, so a row that names it may be
   * written. Content that is there already is not written again; content that has been damaged is.
   *
   * @throws STORE_FULL, STORE_FAILED
   */
  put(bytes: Uint8Array): Promise<BlobAddress>;

  /**
   * The value of an address, its hash checked.
   *
   * @throws INVALID_ARGUMENT for what is no address, BLOB_MISSING, BLOB_CORRUPT, FILE_UNREADABLE
   */
  get(sha256: string): Promise<Uint8Array>;

  /** Is there a value of this address? It is not read. @throws INVALID_ARGUMENT */
  has(sha256: string): Promise<boolean>;

  /**
   * Removes what nobody needs: values that `keep` does not want and that were last put before `beforeMs`, and
   * unfinished files as old as that. The margin protects a value whose row is being written just now, so it must be
   * larger than the longest time from `put` to the commit of that row.
   *
   * @param beforeMs milliseconds since 1970 UTC
   * @throws STORE_FAILED
   */
  collect(options: { keep: (sha256: string) => boolean; beforeMs: number }): Promise<Collected>;
}

export interface BlobAddress {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface Collected {
  readonly removed: number;
  readonly freedBytes: number;
}

const ADDRESS = /^[0-9a-f]{64}$/;
const FAN_OUT = /^[0-9a-f]{2}$/;
const TEMPORARY = "tmp";

/** @param options.directory created when the first value is put */
export function openBlobs(options: { directory: string }): BlobStore {
  const directory = resolve(options.directory);
  /** Directories whose own entries this instance has flushed. */
  const flushed = new Set<string>();

  const ensureDirectory = async (name: string): Promise<string> => {
    const path = join(directory, name);
    if (flushed.has(name)) return path;
    const firstMade = await mkdir(path, { recursive: true, mode: 0o700 });
    // Also when another thread has made it, for it may not have flushed it yet; and up to the first one made here.
    const highest = dirname(firstMade ?? path);
    let level = path;
    do await flushDirectory((level = dirname(level)));
    while (level.length > highest.length);
    flushed.add(name);
    return path;
  };

  return Object.freeze({
    async put(bytes) {
      const sha256 = hashOf(bytes);
      const address = { sha256, sizeBytes: bytes.byteLength };
      const path = pathOf(directory, sha256);
      try {
        const folder = await ensureDirectory(sha256.slice(0, 2));
        // Touched before it is compared: from then on its age protects it from collection.
        if (!(await touch(path)) || !(await holds(path, bytes))) {
          const temporary = join(await ensureDirectory(TEMPORARY), randomUUID());
          await writeFlushed(temporary, bytes);
          await rename(temporary, path);
        }
        // Also for content that was there: whoever put it may not have come this far yet.
        await flushDirectory(folder);
        return address;
      } catch (error) {
        throw writeFault(path, error);
      }
    },

    async get(sha256) {
      const path = pathOf(directory, sha256);
      const bytes = await readIfThere(path);
      if (bytes === undefined) throw fault("BLOB_MISSING", { sha256 });
      if (hashOf(bytes) !== sha256) throw fault("BLOB_CORRUPT", { sha256 });
      return bytes;
    },

    async has(sha256) {
      return (await statIfThere(pathOf(directory, sha256))) !== undefined;
    },

    async collect({ keep, beforeMs }) {
      let removed = 0;
      let freedBytes = 0;
      for (const folder of await namesIn(directory)) {
        if (folder !== TEMPORARY && !FAN_OUT.test(folder)) continue;
        for (const name of await namesIn(join(directory, folder))) {
          const path = join(directory, folder, name);
          const found = await statIfThere(path);
          if (found === undefined || found.mtimeMs >= beforeMs) continue;
          if (folder === TEMPORARY) await rm(path, { force: true });
          else if (keep(folder + name) || !(await removeUntouched(path, beforeMs))) continue;
          removed += 1;
          freedBytes += found.size;
        }
      }
      return { removed, freedBytes };
    },
  } satisfies BlobStore);
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Only an address makes a path, so nothing outside the directory is ever reached. */
function pathOf(directory: string, sha256: string): string {
  if (!ADDRESS.test(sha256)) {
    throw fault("INVALID_ARGUMENT", {
      argument: "sha256",
      got: JSON.stringify(sha256.slice(0, 80)),
      allowed: "64 lower-case hexadecimal digits",
    });
  }
  return join(directory, sha256.slice(0, 2), sha256.slice(2));
}

/** Makes a value as young as one that was just written; false when there is none. */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Compared byte by byte: a `put` that resolves promises that `get` will succeed. */
async function holds(path: string, bytes: Uint8Array): Promise<boolean> {
  const found = await statIfThere(path);
  if (found?.size !== bytes.byteLength) return false;
  const content = await readIfThere(path);
  return content !== undefined && content.equals(bytes);
}

/** Moved aside first and looked at again there: a `put` may have touched it, and trusted it, a moment ago. */
async function removeUntouched(path: string, beforeMs: number): Promise<boolean> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside);
  const untouched = (await stat(aside)).mtimeMs < beforeMs;
  await (untouched ? rm(aside, { force: true }) : rename(aside, path));
  return untouched;
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function flushDirectory(path: string): Promise<void> {
  // Windows has no handle for a directory, and flushes its entries by itself.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}

async function statIfThere(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return [];
    throw fault("FILE_UNREADABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}
