import { addressesIn } from "../codec/index.ts";
import { touchValues } from "../compute/values.ts";
import type { BlobStore } from "../store/index.ts";

/**
 * Makes the large values young that an output names, and those that they name: whatever a row names has to be young when
 * it is written, so that nobody collects it.
 *
 * @param blobs null: nothing is kept on disk
 * @throws BLOB_MISSING, STORE_FULL, STORE_FAILED
 */
export async function touch(
  blobs: Pick<BlobStore, "touch" | "pieces"> | null,
  output: Uint8Array,
): Promise<void> {
  if (blobs !== null) await touchValues(addressesIn(output), blobs);
}
