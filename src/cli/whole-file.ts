import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fault, sentenceOf } from "../errors/index.ts";
import { createDirectory } from "../store/create-directory.ts";

/** Writes a file as a whole or not at all. @throws FILE_UNWRITABLE */
export async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    createDirectory(dirname(resolve(path)), 0o777);
    await using file = await open(temporary, "w");
    await file.writeFile(content);
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    // What is told is why it could not be written, not what else could not be done about it.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fault("FILE_UNWRITABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
}
