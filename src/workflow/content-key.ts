import { createHash } from "node:crypto";
import { Reference } from "../codec/index.ts";
import { isFault } from "../errors/index.ts";
import { canonicalJson } from "../schema/index.ts";

/**
 * One hash (SHA-256, lower-case hex) for one content, whatever the order in which its keys were written.
 *
 * A value that is kept as a blob counts by its address, not by its bytes: equal blobs have equal addresses.
 *
 * @throws INVALID_ARGUMENT for text that is not well-formed, and for what cannot cross a thread
 */
export function contentKey(value: unknown): string {
  return createHash("sha256")
    .update(canonicalJson(inJson(value)))
    .digest("hex");
}

/** Where the output of a step is cached; null for inputs that have no hash: such a step runs each time. */
export function cacheKey(action: string, inputs: unknown): string | null {
  try {
    return contentKey({ action, inputs });
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** Wire values that JSON has no word for, each under a name of its own so that none reads like another. */
function inJson(value: unknown): unknown {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (value instanceof Reference) return { reference: value.sha256, path: value.path };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (value instanceof Date) return { $date: value.getTime() };
  if (Array.isArray(value)) return value.map(inJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inJson(item)]));
}
