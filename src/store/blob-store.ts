import { createHash, randomUUID } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fault } from "../errors/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import {
  collectBlobs,
  collectedAtMs,
  mendBlobs,
  oldBlobs,
  type Collected,
  type CollectOptions,
} from "./blob-collection.ts";
import {
  TEMPORARY,
  namesIn,
  openIfThere,
  partOf,
  piecesOf,
  readIfThere,
  setAge,
  statIfThere,
} from "./blob-files.ts";
import { createDirectory } from "./create-directory.ts";
import { writeFault } from "./store-fault.ts";

/**
 * Large values, stored under the hash of their content. Any number of threads and processes may use one directory:
 * equal content has one address, and a file is never changed once it has its name.
 *
 * ```
 *  directory/ab/cdef…          the value whose SHA-256 is abcdef…
 *  directory/ab/cdef….uuid     the same, while a collection looks whether it is still old
 *  directory/tmp/…             being written; never read
 *  directory/collected         its age is that of the latest whole collection
 * ```
 *
 * A value that nobody names is collected once it is old. So whoever is about to write a row that names one makes it
 * young first, by `put` or by `touch`.
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
   * The same of a value that comes in pieces, in the memory of one piece. They are hashed as they come, and what does not
   * have the address in the end is thrown away; so is what was written when `pieces` throws.
   *
   * @param sha256 the address that it must have
   * @throws INVALID_ARGUMENT for what is no address, BLOB_CORRUPT, STORE_FULL, STORE_FAILED; what `pieces` throws
   */
  putPieces(sha256: string, pieces: AsyncIterable<Uint8Array>): Promise<BlobAddress>;

  /** Makes a value as young as one that was just put. @throws INVALID_ARGUMENT, BLOB_MISSING; STORE_FULL, STORE_FAILED */
  touch(sha256: string): Promise<void>;

  /**
   * The value of an address, its hash checked.
   *
   * @throws INVALID_ARGUMENT for what is no address, BLOB_MISSING, BLOB_CORRUPT, FILE_UNREADABLE
   */
  get(sha256: string): Promise<Uint8Array>;

  /** The same piece by piece, its hash not checked: for values of any size. @throws as `get`, but BLOB_CORRUPT */
  pieces(sha256: string): AsyncGenerator<Uint8Array>;

  /**
   * A part of it, its hash not checked: shorter than `length` at the end, and empty behind it.
   *
   * @throws as `pieces`
   */
  read(sha256: string, offset: number, length: number): Promise<BlobPart>;

  /** Is there a value of this address? It is not read. @throws INVALID_ARGUMENT */
  has(sha256: string): Promise<boolean>;

  /**
   * Addresses of the values that were last put or touched before.
   *
   * @param beforeMs milliseconds since 1970 UTC
   * @throws FILE_UNREADABLE
   */
  old(beforeMs: number): AsyncGenerator<string>;

  /**
   * Removes values that `keep` does not want and that were last put or touched before `beforeMs`, and unfinished files
   * as old as that. The margin protects what a row is being written for just now, so it must be larger than the longest
   * time from `put` to the commit of that row. One file at a time; what is left when it is cut off, by its signal or by
   * the death of the process, is the matter of the next one, which also mends what it finds.
   *
   * @throws FILE_UNREADABLE, STORE_FAILED; what the signal was aborted with
   */
  collect(options: CollectOptions): Promise<Collected>;

  /**
   * Values that a collection had put aside when it died get their names back, and are young. Until then they can be
   * read all the same.
   *
   * @throws FILE_UNREADABLE, STORE_FAILED
   */
  mend(): Promise<void>;

  /** When a collection last came to its end; null = never. */
  collectedAtMs(): Promise<number | null>;
}

export interface BlobAddress {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface BlobPart {
  readonly bytes: Uint8Array;
  /** Of the whole value. */
  readonly sizeBytes: number;
}

const ADDRESS = /^[0-9a-f]{64}$/;
const PIECE_BYTES = 262_144;

/**
 * @param options.directory created when the first value is put
 * @param options.clock what ages are reckoned by; default: the machine's
 */
export function openBlobs({
  directory: given,
  clock = systemClock,
}: {
  readonly directory: string;
  readonly clock?: Pick<Clock, "wallNow">;
}): BlobStore {
  const directory = resolve(given);
  /** Directories whose own entries this instance has flushed. */
  const flushed = new Set<string>();

  const ensureDirectory = async (name: string): Promise<string> => {
    const path = join(directory, name);
    if (flushed.has(name)) return path;
    const firstMade = createDirectory(path, 0o700);
    // Also when another thread has made it, for it may not have flushed it yet; and up to the first one made here.
    const highest = dirname(firstMade ?? path);
    let level = path;
    do await flushDirectory((level = dirname(level)));
    while (level.length > highest.length);
    flushed.add(name);
    return path;
  };

  const put = async (bytes: Uint8Array): Promise<BlobAddress> => {
    const sha256 = hashOf(bytes);
    const address = { sha256, sizeBytes: bytes.byteLength };
    const path = pathOf(directory, sha256);
    try {
      const folder = await ensureDirectory(sha256.slice(0, 2));
      // Made young before it is compared: from then on its age protects it from collection.
      if (!(await setAge(path, clock.wallNow())) || !(await holds(path, bytes))) {
        const temporary = join(await ensureDirectory(TEMPORARY), randomUUID());
        await writeFlushed(temporary, bytes, clock.wallNow());
        await rename(temporary, path);
      }
      // Also for content that was there: whoever put it may not have come this far yet.
      await flushDirectory(folder);
      return address;
    } catch (error) {
      throw writeFault(path, error);
    }
  };

  const get = async (sha256: string): Promise<Uint8Array> => {
    const bytes = await atItsPlace(pathOf(directory, sha256), readIfThere);
    if (bytes === undefined) throw fault("BLOB_MISSING", { sha256 });
    if (hashOf(bytes) !== sha256) throw fault("BLOB_CORRUPT", { sha256 });
    return bytes;
  };

  return Object.freeze({
    put,
    putPieces: async (sha256, pieces) =>
      putPieces(pathOf(directory, sha256), sha256, pieces, { ensureDirectory, wallMs: clock.wallNow() }),
    get,

    async touch(sha256) {
      const path = pathOf(directory, sha256);
      try {
        if (await setAge(path, clock.wallNow())) return;
      } catch (error) {
        throw writeFault(path, error);
      }
      // Gone; or put aside, where making it young may come too late. Then it is put once more.
      await put(await get(sha256));
    },

    async *pieces(sha256) {
      const file = await atItsPlace(pathOf(directory, sha256), openIfThere);
      if (file === undefined) throw fault("BLOB_MISSING", { sha256 });
      yield* piecesOf(file, PIECE_BYTES);
    },

    async read(sha256, offset, length) {
      const file = await atItsPlace(pathOf(directory, sha256), openIfThere);
      if (file === undefined) throw fault("BLOB_MISSING", { sha256 });
      return partOf(file, offset, length);
    },

    async has(sha256) {
      return (await atItsPlace(pathOf(directory, sha256), statIfThere)) !== undefined;
    },

    old: (beforeMs) => oldBlobs(directory, beforeMs),
    mend: () => mendBlobs(directory, clock),
    collect: (options) => collectBlobs(directory, options, clock),
    collectedAtMs: () => collectedAtMs(directory),
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

/**
 * What `read` finds under a value's name, or else where a collection has put it aside: for a moment, or until the next
 * one if it died. One that is given its name back just then is found by the last look.
 */
async function atItsPlace<T>(
  path: string,
  read: (path: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  const found = await read(path);
  if (found !== undefined) return found;
  const folder = dirname(path);
  const aside = (await namesIn(folder)).find((name) => name.startsWith(`${basename(path)}.`));
  if (aside === undefined) return undefined;
  return (await read(join(folder, aside))) ?? (await read(path));
}

/** Compared byte by byte: a `put` that resolves promises that `get` will succeed. */
async function holds(path: string, bytes: Uint8Array): Promise<boolean> {
  const found = await statIfThere(path);
  if (found?.size !== bytes.byteLength) return false;
  const content = await readIfThere(path);
  return content !== undefined && content.equals(bytes);
}

async function writeFlushed(path: string, bytes: Uint8Array, wallMs: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    // By the same clock that a collection reckons by, whatever a file server's own may say.
    await file.utimes(wallMs / 1_000, wallMs / 1_000);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** @see BlobStore.putPieces */
async function putPieces(
  path: string,
  sha256: string,
  pieces: AsyncIterable<Uint8Array>,
  { ensureDirectory, wallMs }: { ensureDirectory: (name: string) => Promise<string>; wallMs: number },
): Promise<BlobAddress> {
  const temporary = await unlessFull(path, async () => join(await ensureDirectory(TEMPORARY), randomUUID()));
  const written = await writePieces(temporary, pieces, wallMs, path);
  if (written.sha256 !== sha256) {
    await rm(temporary, { force: true });
    throw fault("BLOB_CORRUPT", { sha256 });
  }
  await unlessFull(path, async () => {
    const folder = await ensureDirectory(sha256.slice(0, 2));
    // Also over what is there: it may be damaged, and is else the same.
    await rename(temporary, path);
    await flushDirectory(folder);
  });
  return written;
}

/** @param path of the value, for what is thrown */
async function writePieces(
  temporary: string,
  pieces: AsyncIterable<Uint8Array>,
  wallMs: number,
  path: string,
): Promise<BlobAddress> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = await unlessFull(path, () => open(temporary, "wx", 0o600));
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      sizeBytes += piece.byteLength;
      await unlessFull(path, () => writeWhole(file, piece));
    }
    await unlessFull(path, async () => {
      await file.utimes(wallMs / 1_000, wallMs / 1_000);
      await file.sync();
    });
    return { sha256: hash.digest("hex"), sizeBytes };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** One call may write less than it was given. */
async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
}

/** Tells what the disk refuses in the words of a store, and lets through what others throw. */
async function unlessFull<T>(path: string, done: () => Promise<T>): Promise<T> {
  try {
    return await done();
  } catch (error) {
    throw writeFault(path, error);
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
