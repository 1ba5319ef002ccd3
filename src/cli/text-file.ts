import { readFile } from "node:fs/promises";
import { fault, sentenceOf } from "../errors/index.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "permission is denied",
};

/** A file that was named on the command line. @throws FILE_UNREADABLE */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? sentenceOf(error);
    throw fault("FILE_UNREADABLE", { path, why }, { cause: error });
  }
}
