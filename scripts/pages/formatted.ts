import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { format, type FormatConfig } from "oxfmt";
import { ROOT } from "./page.ts";

/** A text as `npm run format` would leave the file of that name. */
export async function formatted(fileName: string, text: string): Promise<string> {
  const config = JSON.parse(await readFile(join(ROOT, ".oxfmtrc.json"), "utf8")) as FormatConfig;
  const { code, errors } = await format(fileName, text, config);
  if (errors.length > 0) throw new Error(`${fileName} cannot be formatted: ${JSON.stringify(errors)}`);
  return code;
}
