import { Reference } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { System } from "../system/index.ts";

/**
 * A value with what it refers to in place of the references.
 *
 * @throws SIZE_EXCEEDED before more is read than a resource may have; BLOB_MISSING, BLOB_CORRUPT, FILE_UNREADABLE
 */
export async function wholeValue(value: unknown, system: Pick<System, "load">): Promise<unknown> {
  const limit = LIMITS.mcp.resourceBytes;
  let readBytes = 0;
  const whole = async (part: unknown): Promise<unknown> => {
    if (part instanceof Reference) {
      readBytes += part.sizeBytes;
      if (readBytes > limit) throw fault("SIZE_EXCEEDED", { what: "the output", limit, unit: "bytes" });
      return whole(await system.load(part));
    }
    if (typeof part !== "object" || part === null || part instanceof Uint8Array) return part;
    if (Array.isArray(part)) return Promise.all(part.map(whole));
    const members = Object.entries(part).map(async ([key, member]) => [key, await whole(member)] as const);
    return Object.fromEntries(await Promise.all(members));
  };
  return whole(value);
}
