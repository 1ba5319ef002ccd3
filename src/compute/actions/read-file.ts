import { isUtf8 } from "node:buffer";
import { LIMITS, fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { readRegularFile } from "../regular-file.ts";
import { action } from "./action.ts";
import { KeptPart, keptIfLarge } from "./kept-part.ts";
import { Encoding } from "./text-bytes.ts";

const { fileBytes } = LIMITS.compute;

/** Reads one file inside the allowed directories. */
export default action({
  input: z.strictObject({
    path: z.string(),
    encoding: Encoding.default("utf-8"),
    max_bytes: z.int().min(1).max(fileBytes).default(fileBytes),
  }),
  output: z.strictObject({
    path: z.string(),
    content: z.union([z.string(), KeptPart]),
    encoding: Encoding,
    size_bytes: z.int().min(0),
  }),
  async run({ path, encoding, max_bytes }, context) {
    const real = context.path(path);
    const bytes = await readRegularFile(real, max_bytes, context.checkpoint);
    if (encoding === "utf-8" && !isUtf8(bytes)) {
      throw fault("FILE_UNREADABLE", { path: real, why: 'it is no UTF-8 text: ask for encoding "base64"' });
    }
    const text = bytes.toString(encoding);
    const content = await keptIfLarge(text, text.length, context);
    return { path, content, encoding, size_bytes: bytes.byteLength };
  },
});
