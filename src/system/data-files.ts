import type { BackupOptions, BackupSummary } from "./backup.ts";
import type { ExportOptions, ExportSummary } from "./export.ts";
import type { ImportOptions, ImportSummary } from "./import.ts";
import type { RestoreOptions, RestoreSummary } from "./restore.ts";

/**
 * What can be done with a data directory that no process has open. Each loads what it needs when it is asked, because
 * the command line imports this module whatever it was asked for.
 */

/**
 * As `System.backup`, of a directory without a system.
 *
 * @throws also FILE_UNREADABLE when it is no data directory; STORE_OWNED, STORE_NEWER, STORE_CORRUPT
 */
export async function backupData(
  data: string,
  directory: string,
  options?: BackupOptions,
): Promise<BackupSummary> {
  const { backupStopped } = await import("./backup-system.ts");
  return backupStopped(data, directory, options);
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
