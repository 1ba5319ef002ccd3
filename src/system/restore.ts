import { rename } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { fault } from "../errors/index.ts";
import { invalidArgument } from "../schema/index.ts";
import { systemClock } from "../scope/index.ts";
import { createDirectory } from "../store/create-directory.ts";
import type { CopyProgress } from "./backup.ts";
import { readManifest, type BackupFile } from "./backup-manifest.ts";
import { SUPPORTED, assertStopped } from "./stopped-data.ts";
import {
  copyFlushed,
  emptyPlace,
  errnoOf,
  forEachOf,
  makeWhole,
  namesIn,
  realPlace,
  type Withdrawal,
} from "./whole-directory.ts";

export interface RestoreOptions {
  /** The directory of the backup. */
  readonly backup: string;
  /** The data directory that is to be made. */
  readonly data: string;
  /** Moves a data directory that is in the way aside, instead of refusing. Default false. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CopyProgress & { readonly filesTotal: number }) => void;
}

export interface RestoreSummary {
  readonly path: string;
  /** When the backup began. */
  readonly createdAt: string;
  readonly files: number;
  readonly sizeBytes: number;
  /** Where the data directory is now that was in the way; null = there was none. */
  readonly movedTo: string | null;
}

/**
 * Makes a data directory of a backup. It has its name when all of it is on disk and every hash was right.
 *
 * @throws BACKUP_INVALID, STORE_NEWER, DIRECTORY_NOT_EMPTY, STORE_OWNED, FILE_UNWRITABLE, STORE_FULL, CANCELLED; then
 *   the place is as it was before
 */
export async function restore({
  backup,
  data,
  replace = false,
  signal,
  onProgress,
}: RestoreOptions): Promise<RestoreSummary> {
  const withdrawal: Withdrawal = { what: "the restore", signal };
  const source = await realPlace(backup);
  const { createdAt, files } = await readManifest(source, SUPPORTED);
  const target = replace
    ? await realPlace(data)
    : await emptyPlace(data, "name another data directory, or move this one aside with --replace");
  if (source === target || source.startsWith(target + sep)) {
    throw invalidArgument("the backup", `"${source}"`, "a place outside of the data directory");
  }
  const isInTheWay = (await namesIn(target)).length > 0;
  const wayOut = "end that process first";
  // Before the work and again after it.
  if (isInTheWay) await assertStopped(target, wayOut);
  const movedTo = isInTheWay ? `${target}.before-restore-${timeText(systemClock.wallNow())}` : null;
  let sizeBytes = 0;
  let done = 0;
  await makeWhole(
    target,
    async (temporary) => {
      for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
        createDirectory(join(temporary, directory), 0o700);
      }
      await forEachOf(files, async (file) => {
        await copyChecked(source, temporary, file, withdrawal);
        sizeBytes += file.sizeBytes;
        onProgress?.({ files: ++done, filesTotal: files.length, sizeBytes });
      });
    },
    withdrawal,
    async (temporary) => {
      if (movedTo === null) return rename(temporary, target);
      await assertStopped(target, wayOut);
      await rename(target, movedTo);
      try {
        await rename(temporary, target);
      } catch (error) {
        // Somebody began a new directory under that name in between. Theirs stays if it holds anything.
        await rename(movedTo, target).catch(() => undefined);
        throw error;
      }
    },
  );
  return { path: target, createdAt, files: files.length, sizeBytes, movedTo };
}

async function copyChecked(
  source: string,
  temporary: string,
  { path, sizeBytes, sha256 }: BackupFile,
  withdrawal: Withdrawal,
): Promise<void> {
  const invalid = (why: string): Error => fault("BACKUP_INVALID", { path: source, why });
  const found = await copyFlushed(join(source, path), join(temporary, path), withdrawal).catch(
    (error: unknown) => {
      throw errnoOf(error) === "ENOENT" ? invalid(`${path} is missing`) : error;
    },
  );
  if (found.sizeBytes !== sizeBytes) {
    throw invalid(`${path} is damaged: it has ${found.sizeBytes} bytes instead of ${sizeBytes}`);
  }
  if (found.sha256 !== sha256) throw invalid(`${path} is damaged: its hash is another`);
}

/** 2026-01-31T12-00-00-000Z: colons are no part of a name everywhere. */
const timeText = (ms: number): string => new Date(ms).toISOString().replaceAll(/[:.]/g, "-");
