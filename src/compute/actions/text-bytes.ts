import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";

/** How bytes stand in a text: as the text itself, or as base64 of what is none. */
export const Encoding = z.enum(["utf-8", "base64"]);

/** @throws INPUT_INVALID for what is no base64, naming the action and its field */
export function bytesOf(
  text: string,
  encoding: z.output<typeof Encoding>,
  what: string,
  field: string,
): Buffer {
  const bytes = Buffer.from(text, encoding);
  // Node decodes anything, and leaves out what it does not know.
  if (encoding === "base64" && bytes.toString("base64") !== text) {
    throw fault("INPUT_INVALID", { what, problems: [`${field} is no base64`] });
  }
  return bytes;
}
