import { open, readdir, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { systemClock } from "../scope/index.ts";
import { invalidArgument } from "../schema/index.ts";
import { createDirectory } from "../store/create-directory.ts";
import { openBlobs } from "../store/index.ts";
import { writeManifest, type BackupFile } from "./backup-manifest.ts";
import { packageVersion } from "./package-version.ts";
import { STORE_NAMES, type StoreName } from "./store-names.ts";
import {
  copyFlushed,
  emptyPlace,
  errnoOf,
  figuresOf,
  forEachOf,
  makeWhole,
  type Withdrawal,
} from "./whole-directory.ts";

export interface BackupOptions {
  /** Aborting it ends the backup, and nothing of it is left. */
  readonly signal?: AbortSignal;
  /** Told after each file. */
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface CopyProgress {
  readonly files: number;
  readonly sizeBytes: number;
}

export interface BackupSummary {
  /** Absolute, links resolved. */
  readonly path: string;
  /** When it began, ISO-8601: what was acknowledged before is in it. */
  readonly createdAt: string;
  /** Files, the manifest not counted; of them, large values. */
  readonly files: number;
  readonly blobs: number;
  readonly sizeBytes: number;
  /** Hashes of large values that were damaged before: they were copied as they are. */
  readonly damagedBlobs: readonly string[];
  /** Stores that were left out, since they are damaged and can be done without. */
  readonly leftOut: readonly string[];
}

/** Where a backup comes from. */
export interface BackupSource {
  /** Copies the file of one store to an absolute path; absent = there is no such file. */
  readonly stores: { readonly [Name in StoreName]?: (path: string) => Promise<unknown> };
  /** The data directory; null: everything is in memory. */
  readonly data: string | null;
  readonly leftOut?: readonly string[];
}

/**
 * Makes a backup in a directory that is empty or does not exist.
 *
 * Large values are copied before the stores and once more after them. What a row of a copy names was on disk before
 * that row: so it was there in the first round, or it was put after it and is there in the second. Whoever has the
 * directory open collects nothing meanwhile.
 *
 * @throws DIRECTORY_NOT_EMPTY, FILE_UNWRITABLE, INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, CANCELLED; nothing is left
 *   then
 */
export async function writeBackup(
  directory: string,
  { stores, data, leftOut = [] }: BackupSource,
  { signal, onProgress }: BackupOptions = {},
): Promise<BackupSummary> {
  const withdrawal: Withdrawal = { what: "the backup", signal };
  const target = await emptyPlace(directory, "name a directory that is empty or does not exist");
  if (data !== null && (target === data || target.startsWith(data + sep))) {
    throw invalidArgument(
      "the directory of the backup",
      `"${target}"`,
      "a place outside of the data directory",
    );
  }
  const createdAt = new Date(systemClock.wallNow()).toISOString();
  const files = new Map<string, BackupFile>();
  let sizeBytes = 0;
  const took = (file: BackupFile): void => {
    files.set(file.path, file);
    sizeBytes += file.sizeBytes;
    onProgress?.({ files: files.size, sizeBytes });
  };
  return makeWhole(
    target,
    async (temporary) => {
      const blobs =
        data === null ? undefined : new BlobCopies(join(data, "blobs"), temporary, withdrawal, took);
      if (data !== null) await openBlobs({ directory: join(data, "blobs") }).mend();
      await blobs?.copyNew();
      const versions: { [Name in StoreName]?: number } = {};
      for (const name of STORE_NAMES) {
        const copyTo = stores[name];
        if (copyTo === undefined) continue;
        const path = join(temporary, name);
        await copyTo(path);
        versions[name] = await storeVersionOf(path);
        took({ path: name, ...(await figuresOf(path, withdrawal)) });
      }
      await blobs?.copyNew();
      const ordered = [...files.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1));
      await writeManifest(temporary, {
        package: packageVersion(),
        createdAt,
        stores: versions,
        files: ordered,
      });
      return {
        path: target,
        createdAt,
        files: files.size,
        blobs: blobs?.count ?? 0,
        sizeBytes,
        damagedBlobs: blobs?.damaged ?? [],
        leftOut,
      };
    },
    withdrawal,
  );
}

/** An actor that died in the middle may have finished the copy without saying so. */
export async function copyAnew(path: string, copyTo: (path: string) => Promise<unknown>): Promise<void> {
  await rm(path, { force: true });
  await copyTo(path);
}

const FAN_OUT = /^[0-9a-f]{2}$/;
const REST = /^[0-9a-f]{62}$/;

/** The large values, copied round by round. What has been copied never changes, so no round looks at it again. */
class BlobCopies {
  readonly damaged: string[] = [];
  readonly #from: string;
  readonly #to: string;
  readonly #withdrawal: Withdrawal;
  readonly #took: (file: BackupFile) => void;
  readonly #copied = new Set<string>();

  constructor(from: string, temporary: string, withdrawal: Withdrawal, took: (file: BackupFile) => void) {
    this.#from = from;
    this.#to = join(temporary, "blobs");
    this.#withdrawal = withdrawal;
    this.#took = took;
  }

  get count(): number {
    return this.#copied.size;
  }

  async copyNew(): Promise<void> {
    for (const folder of await namesOf(this.#from)) {
      if (!FAN_OUT.test(folder)) continue;
      const names = (await namesOf(join(this.#from, folder))).filter(
        (name) => REST.test(name) && !this.#copied.has(folder + name),
      );
      if (names.length === 0) continue;
      createDirectory(join(this.#to, folder), 0o700);
      await forEachOf(names, (name) => this.#copy(folder, name));
    }
  }

  async #copy(folder: string, name: string): Promise<void> {
    const address = folder + name;
    try {
      const figures = await copyFlushed(
        join(this.#from, folder, name),
        join(this.#to, folder, name),
        this.#withdrawal,
      );
      this.#copied.add(address);
      // Left to whoever reads it, as in the original: one value that is lost must not keep all others from being saved.
      if (figures.sha256 !== address) this.damaged.push(address);
      this.#took({ path: `blobs/${folder}/${name}`, ...figures });
    } catch (error) {
      // Collected since it was listed: no row wanted it then.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}

async function namesOf(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Where SQLite keeps `user_version`. @see https://www.sqlite.org/fileformat.html#user_version_number */
const USER_VERSION_AT = 60;

async function storeVersionOf(path: string): Promise<number> {
  await using file = await open(path, "r");
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, USER_VERSION_AT);
  return buffer.readUInt32BE();
}
