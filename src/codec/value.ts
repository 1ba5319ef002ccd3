import { addExtension, Packr } from "./msgpack.ts";
import { assert } from "../errors/index.ts";

/**
 * Values as they are kept on disk and handed to handlers: plain MessagePack without shared record structures, so
 * that any version of this package, and any other MessagePack reader, decodes them alone.
 */

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

const EXTENSION_REFERENCE = 0x42;

const packer = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  // Without it an object has at most 65,535 keys.
  variableMapSize: true,
  copyBuffers: true,
  // An object with a key of that name is data like any other.
  useToJSON: false,
  // What is decoded is always a tree.
  structuredClone: false,
});

addExtension({
  Class: Reference,
  type: EXTENSION_REFERENCE,
  pack: (reference: Reference) => packer.pack([reference.sha256, reference.sizeBytes, reference.path]),
  unpack: (bytes: Uint8Array) => {
    const parts = packer.unpack(bytes) as unknown;
    assert(isReferenceParts(parts), "a reference holds a hash, a size and a path");
    return new Reference(...parts);
  },
});

function isReferenceParts(parts: unknown): parts is [string, number, (string | number)[]] {
  if (!Array.isArray(parts) || parts.length !== 3) return false;
  const [sha256, sizeBytes, path] = parts as unknown[];
  const isKey = (key: unknown): boolean => typeof key === "string" || typeof key === "number";
  return (
    typeof sha256 === "string" && typeof sizeBytes === "number" && Array.isArray(path) && path.every(isKey)
  );
}

/** The bytes are the caller's own: nothing else refers to them. */
export function packValue(value: unknown): Uint8Array {
  return new Uint8Array(packer.pack(value));
}

/**
 * The value refers to nothing of `bytes`.
 *
 * @throws when `bytes` are not what `packValue` made. It takes no more memory than in proportion to them, whatever
 *   lengths they claim.
 */
export function unpackValue(bytes: Uint8Array): unknown {
  // Byte strings take the class of what they are cut from: of a Buffer they would become Buffers.
  return packer.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
