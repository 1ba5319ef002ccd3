import { createHash } from "node:crypto";
import { canonicalJson } from "../schema/index.ts";

/**
 * The key of what `id` makes of `inputs`: SHA-256, in lower-case hex, of the canonical JSON of the pair. Neither the
 * order of properties nor the way of writing a number makes a difference, and no two pairs run together.
 *
 * @param inputs plain JSON data
 * @throws INVALID_ARGUMENT naming the place of what JSON has no word for
 * @see https://www.rfc-editor.org/rfc/rfc8785
 */
export function cacheKey(id: string, inputs: unknown = {}): string {
  return createHash("sha256")
    .update(canonicalJson([id, inputs]))
    .digest("hex");
}
