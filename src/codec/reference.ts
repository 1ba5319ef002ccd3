import { LIMITS, assert } from "../errors/index.ts";
import { Packr, addExtension } from "./msgpack.ts";

/**
 * Stands for a value, or a part of one, that is kept as a content-addressed blob instead of travelling in messages.
 * A type of its own on the wire (extension type 0x42), so that no plain data can pose as one.
 */
export class Reference {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Keys and indices from the root of the stored value to the part that is meant. */
  readonly path: readonly (string | number)[];

  constructor(sha256: string, sizeBytes: number, path: readonly (string | number)[] = []) {
    this.sha256 = sha256;
    this.sizeBytes = sizeBytes;
    this.path = path;
  }

  /** A part of it: keys and indices from here on. Reads nothing, so the part need not exist. */
  at(...path: readonly (string | number)[]): Reference {
    return new Reference(this.sha256, this.sizeBytes, [...this.path, ...path]);
  }

  /** What JSON (a tool result, a report) shows of it. */
  toJSON(): Record<string, unknown> {
    return {
      reference: this.sha256,
      sizeBytes: this.sizeBytes,
      ...(this.path.length > 0 && { path: this.path }),
    };
  }
}

export const EXTENSION_REFERENCE = 0x42;

/** The content of the extension. @throws TypeError when the reference holds something else than it should */
export function packReference({ sha256, sizeBytes, path }: Reference): Uint8Array {
  const parts = [sha256, sizeBytes, path];
  if (!isReferenceParts(parts)) throw new TypeError("a reference without a hash, a size and a path");
  return packer.pack(parts);
}

addExtension({
  Class: Reference,
  type: EXTENSION_REFERENCE,
  pack: packReference,
  unpack: (bytes: Uint8Array) => {
    const parts = packer.unpack(bytes) as unknown;
    assert(isReferenceParts(parts), "a reference holds a hash, a size and a path");
    return new Reference(...parts);
  },
});

function isReferenceParts(parts: unknown): parts is [string, number, (string | number)[]] {
  if (!Array.isArray(parts) || parts.length !== 3) return false;
  const [sha256, sizeBytes, path] = parts as unknown[];
  return typeof sha256 === "string" && typeof sizeBytes === "number" && isPath(path);
}

/** It leads into a value that is no deeper than that. */
const isPath = (path: unknown): boolean =>
  Array.isArray(path) && path.length <= LIMITS.schema.wireDepth && path.every(isKey);

const isKey = (key: unknown): boolean =>
  typeof key === "number" || (typeof key === "string" && key.isWellFormed());

const packer = new Packr({ useRecords: false, copyBuffers: true });
