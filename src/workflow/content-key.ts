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

/**
 * Where the output of a step is cached; null for inputs that have no hash: such a step runs each time.
 *
 * @param moduleSha256 of the module of its handler, so that a new version of it computes anew; null for a built-in one
 */
export function cacheKey(action: string, moduleSha256: string | null, inputs: unknown): string | null {
  try {
    return contentKey({ action, module: moduleSha256, inputs });
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/**
 * Wire values that JSON has no word for, each as an object whose only key begins with "$". A user's object of that form
 * becomes the content of another such, so that nothing reads like anything else.
 */
function inJson(value: unknown): unknown {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (value instanceof Reference) return { $reference: [value.sha256, value.path] };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (value instanceof Date) return { $date: inJson(value.getTime()) };
  if (Array.isArray(value)) return value.map(inJson);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, inJson(item)] as const);
  const object = Object.fromEntries(entries);
  return entries.length === 1 && entries[0]?.[0].startsWith("$") ? { $object: object } : object;
}
