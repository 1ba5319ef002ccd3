import type { BackupOptions, BackupSummary } from "./backup.ts";
import type { ExportOptions, ExportSummary } from "./export.ts";
import type { ImportOptions, ImportSummary } from "./import.ts";
import { isFault } from "../errors/index.ts";
import { openSystem } from "./open-system.ts";
import type { RestoreOptions, RestoreSummary } from "./restore.ts";

/**
 * What can be done with a data directory as a whole. Most of it only while no process has it open. Each loads what it needs when it is asked, because
 * the command line imports this module whatever it was asked for.
 */

/**
 * As `System.backup`, of a directory without a system; where another process owns it and lets others attach, that one makes
 * the backup.
 *
 * @throws also FILE_UNREADABLE when it is no data directory; STORE_OWNED, STORE_NEWER, STORE_CORRUPT
 */
export async function backupData(
  data: string,
  directory: string,
  options?: BackupOptions,
): Promise<BackupSummary> {
  const { backupStopped } = await import("./backup-system.ts");
  try {
    return await backupStopped(data, directory, options);
  } catch (error) {
    if (!isFault(error, "STORE_OWNED")) throw error;
    const system = await openSystem({ data, attach: true, idle: true }).catch((refusal: unknown) => {
      throw isFault(refusal, "STORE_OWNED") ? error : refusal;
    });
    try {
      return await system.backup(directory, options);
    } finally {
      await system.close();
    }
  }
}

/** @see restore */
export async function restoreData(options: RestoreOptions): Promise<RestoreSummary> {
  const { restore } = await import("./restore.ts");
  return restore(options);
}

/** @see exportLines */
export async function exportData(options: ExportOptions): Promise<ExportSummary> {
  const { exportLines } = await import("./export.ts");
  return exportLines(options);
}

/** @see importFile */
export async function importData(options: ImportOptions): Promise<ImportSummary> {
  const { importFile } = await import("./import.ts");
  return importFile(options);
}
