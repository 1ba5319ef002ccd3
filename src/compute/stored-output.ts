import { Reference, packValue, tryPack } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { BlobStore } from "../store/index.ts";
import { addressesOf, touchValues } from "./references.ts";

/**
 * What is kept of an output: its packed bytes, or those of a reference to where they are, when they are too many. The
 * values that it refers to itself are made young, so that none is collected before the row that names it is written.
 *
 * @param action names its handler in errors
 * @param blobs null: nothing is kept on disk, and every output is kept whole
 * @throws OUTPUT_INVALID when it cannot cross threads, or has more than `LIMITS.schema.wireBytes`; BLOB_MISSING when it refers to nothing; INVALID_ARGUMENT when it
 *   refers to what is no address; STORE_FULL, STORE_FAILED
 */
export async function storedOutput(
  output: unknown,
  action: string,
  blobs: Pick<BlobStore, "put" | "touch" | "pieces"> | null,
): Promise<Uint8Array> {
  const packed = tryPack(output);
  if (packed.bytes === undefined) {
    throw fault("OUTPUT_INVALID", { what: action, problems: [`it holds ${packed.found}`] });
  }
  const { bytes, references } = packed;
  if (blobs === null) return bytes;
  if (references.length > 0) await touchValues(addressesOf(references), blobs);
  if (bytes.byteLength <= LIMITS.compute.inlineBytes) return bytes;
  const { sha256, sizeBytes } = await blobs.put(bytes);
  return packValue(new Reference(sha256, sizeBytes));
}
