import { addExtension, Packr } from "msgpackr";

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

  at(...path: readonly (string | number)[]): Reference {
    return new Reference(this.sha256, this.sizeBytes, [...this.path, ...path]);
  }

  /** What JSON (a tool result, a report) shows of it. */
  toJSON(): Record<string, unknown> {
    return { reference: this.sha256, sizeBytes: this.sizeBytes, ...(this.path.length > 0 && { path: this.path }) };
  }
}

const EXTENSION_REFERENCE = 0x42;

const packer = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

addExtension({
  Class: Reference,
  type: EXTENSION_REFERENCE,
  pack: (reference: Reference) => packer.pack([reference.sha256, reference.sizeBytes, reference.path]),
  unpack: (bytes: Uint8Array) => {
    const [sha256, sizeBytes, path] = packer.unpack(bytes) as [string, number, (string | number)[]];
    return new Reference(sha256, sizeBytes, path);
  },
});

/** The bytes are the caller's own: nothing else refers to them. */
export function packValue(value: unknown): Uint8Array {
  return Uint8Array.prototype.slice.call(packer.pack(value));
}

export function unpackValue(bytes: Uint8Array): unknown {
  return packer.unpack(bytes);
}
