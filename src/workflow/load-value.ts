import { Reference, unpackValue } from "../codec/index.ts";
import { fault } from "../errors/index.ts";
import { ownMember } from "../schema/index.ts";
import type { BlobStore } from "../store/index.ts";

/**
 * The value, or the part of one, that is kept as a large value.
 *
 * @param what names who wants it in errors: the id of a step
 * @throws BLOB_MISSING, BLOB_CORRUPT, FILE_UNREADABLE; REFERENCE_MISSING when the stored value has no such part
 */
export async function loadValue(
  blobs: Pick<BlobStore, "get"> | null,
  reference: Reference,
  what: string,
): Promise<unknown> {
  let value: unknown = reference;
  let path: Reference["path"] = [];
  // A stored value may hold references itself.
  while (value instanceof Reference) {
    const { sha256 } = value;
    path = [...value.path, ...path];
    if (blobs === null) throw fault("BLOB_MISSING", { sha256 });
    value = unpackValue(await blobs.get(sha256));
    while (path.length > 0 && !(value instanceof Reference)) {
      const [key = "", ...rest] = path;
      const found = ownMember(value, key);
      if (found === undefined) {
        const why = `the stored value has no ${JSON.stringify(key)}`;
        throw fault("REFERENCE_MISSING", { step: what, reference: sha256.slice(0, 12), why });
      }
      value = found.value;
      path = rest;
    }
  }
  return value;
}
