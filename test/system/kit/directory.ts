import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export const STEPS = join(import.meta.dirname, "../modules/steps.tasks.ts");

/** A directory that is gone when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "system-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** The lines of a log that may not have begun. */
export function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
}
