import { Reference } from "../../codec/index.ts";
import { LIMITS, isFault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import type { TaskContext } from "../task-context.ts";

/** The reference that `keptIfLarge` may put in the place of a part. */
export const KeptPart = z.custom<Reference>((value) => value instanceof Reference);

/**
 * Keeps a large part of an output, so that whoever needs only the rest does not load it. Where nothing is kept on disk,
 * it stays as it is.
 *
 * @param sizeBytes about what it takes
 */
export async function keptIfLarge<T>(
  part: T,
  sizeBytes: number,
  context: Pick<TaskContext, "keep">,
): Promise<T | Reference> {
  if (sizeBytes <= LIMITS.compute.inlineBytes) return part;
  try {
    return await context.keep(part);
  } catch (error) {
    if (isFault(error, "UNAVAILABLE")) return part;
    throw error;
  }
}
