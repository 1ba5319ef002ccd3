import { LIMITS, fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { action } from "./action.ts";
import { bytesOf, Encoding } from "./text-bytes.ts";

const { fileBytes } = LIMITS.compute;

/** Replaces one file inside the allowed directories. */
export default action({
  input: z.strictObject({ path: z.string(), content: z.string(), encoding: Encoding.default("utf-8") }),
  output: z.strictObject({ path: z.string(), size_bytes: z.int().min(0) }),
  async run({ path, content, encoding }, context) {
    const bytes = bytesOf(content, encoding, "write_file", "content");
    if (bytes.byteLength > fileBytes) {
      throw fault("SIZE_EXCEEDED", { what: "the content", limit: fileBytes, unit: "bytes" });
    }
    await context.writeFile(path, bytes);
    return { path, size_bytes: bytes.byteLength };
  },
});
