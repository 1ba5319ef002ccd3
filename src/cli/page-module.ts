import { statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fault, sentenceOf } from "../errors/index.ts";
import type { RunOutcome } from "../system/index.ts";
import type { RunStatus } from "../workflow/workflow.protocol.ts";
import { writeWhole } from "./whole-file.ts";

type MakePage = (run: { run: RunStatus; outputs: RunOutcome["outputs"] }) => unknown;

/** Writes the page of a finished run into a directory. */
export type Page = (outcome: RunOutcome, directory: string) => Promise<void>;

/**
 * Loads the module that makes a page of a finished run: its default export takes `{ run, outputs }` and returns
 * `{ file, html }`. Loaded before the run, so that a mistake in it is not found after hours.
 *
 * @throws MODULE_INVALID, as does the page itself; FILE_UNWRITABLE from the page
 */
export async function loadPage(module: string): Promise<Page> {
  const invalid = (why: string, cause?: unknown): Error =>
    fault("MODULE_INVALID", { module, why }, { cause });
  const path = resolve(module);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw invalid("there is no such file");
  const { default: make } = (await import(pathToFileURL(path).href).catch((error: unknown) => {
    throw invalid(sentenceOf(error), error);
  })) as { default?: unknown };
  if (typeof make !== "function") throw invalid("its default export is no function");
  return async ({ status, outputs }, directory) => {
    let page: unknown;
    try {
      page = await (make as MakePage)({ run: status, outputs });
    } catch (error) {
      throw invalid(`it threw: ${sentenceOf(error)}`, error);
    }
    const { file, html } = (page ?? {}) as { file?: unknown; html?: unknown };
    if (typeof file !== "string" || typeof html !== "string" || file === "" || basename(file) !== file) {
      throw invalid("it returned no { file, html } with the name of a file and its text");
    }
    await writeWhole(join(directory, file), html);
  };
}
