import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import { findNonWire } from "../schema/index.ts";
import { Packr } from "./msgpack.ts";
import { RecordWriter, TooLargeError, type WriteBounds } from "./record-writer.ts";
import { EXTENSION_REFERENCE, Reference } from "./reference.ts";

/**
 * Values as they are kept on disk and handed to handlers: plain MessagePack without shared record structures, so
 * that any version of this package, and any other MessagePack reader, decodes them alone.
 */

/**
 * How each packed reference to a blob begins, as `packValue` writes it: its extension type, then a list of three whose
 * first is a text of 64 bytes. Bytes without it refer to nothing.
 */
export const REFERENCE_MARK: Uint8Array = Uint8Array.of(EXTENSION_REFERENCE, 0x93, 0xd9, 0x40);

/** Digits of a blob's address. */
const ADDRESS_CHARS = 64;
const ADDRESS = /^[0-9a-f]{64}$/;

/** Of a reference that is cut by the end of a piece, at most so many bytes are in it. */
const CUT_BYTES = REFERENCE_MARK.length + ADDRESS_CHARS - 1;

/** The packed value, bytes of the caller's own, and the references in it; or why there is none. */
export type Packed =
  | { readonly bytes: Uint8Array; readonly references: readonly Reference[] }
  | {
      readonly bytes?: undefined;
      /** Follows "it holds": "a function at rows[3].done", "more than 1048576 bytes". */
      readonly found: string;
      readonly isTooLarge: boolean;
    };

/**
 * Packs a value of which nothing is known. Looked at once, so that what is packed is what was checked. Never throws,
 * whatever the value's getters and proxies do; takes time and memory in proportion to `bytesMax`, however large the
 * value is or pretends to be.
 *
 * @param bytesMax of the packed value; default: the most that any value may have
 */
export function tryPack(value: unknown, bytesMax: number = LIMITS.schema.wireBytes): Packed {
  const references: Reference[] = [];
  const bounds = { bytesMax, depthMax: LIMITS.schema.wireDepth, references };
  try {
    return { bytes: packed(value, bounds), references };
  } catch (error) {
    const isTooLarge = error instanceof TooLargeError;
    return { found: isTooLarge ? `more than ${bytesMax} bytes` : foundIn(value, bounds), isTooLarge };
  }
}

/**
 * Packs a value that may cross, of our own types: it may be deeper than a user's, which it holds. The bytes are the
 * caller's own: nothing else refers to them.
 *
 * @throws NOT_A_WIRE_VALUE
 */
export function packValue(value: unknown): Uint8Array {
  try {
    return packed(value, OWN_BOUNDS);
  } catch (error) {
    throw fault("NOT_A_WIRE_VALUE", { what: "the value", found: foundIn(value) }, { cause: error });
  }
}

/**
 * Packs one message for a link without shared shapes: within what any message may have, and as deep as our own types
 * go. The bytes are the caller's own.
 *
 * @throws TooLargeError, TypeError, RangeError, as `StreamEncoder.encode`
 */
export function packMessage(value: unknown): Uint8Array {
  return packed(value);
}

/** In bytes, what SQLite takes in one place of a row. */
const OWN_BOUNDS: WriteBounds = { bytesMax: 1_000_000_000, depthMax: 500 };

/** What keeps a value from being written. One that changes while it is read may be in order by now. */
export const foundIn = (value: unknown, bounds = OWN_BOUNDS): string =>
  findNonWire(value, { ...bounds, isWhole: isReference }) ?? "something that changes while it is read";

const isReference = (value: object): boolean => value instanceof Reference;

const writer = new RecordWriter(null);

function packed(value: unknown, bounds?: WriteBounds): Uint8Array {
  try {
    return new Uint8Array(writer.write(value, 0, bounds));
  } finally {
    writer.letGo();
  }
}

const unpacker = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  copyBuffers: true,
  structuredClone: false,
});

/**
 * The value refers to nothing of `bytes`.
 *
 * @throws VALUE_CORRUPT when `bytes` are not what `packValue` made. It takes no more memory than in proportion to them, whatever
 *   lengths they claim.
 */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    // Byte strings take the class of what they are cut from: of a Buffer they would become Buffers.
    return unpacker.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    throw fault("VALUE_CORRUPT", { why: sentenceOf(error) }, { cause: error });
  }
}

/**
 * Addresses of the blobs that packed values refer to, without decoding them: it takes any bytes, in a fraction of the
 * time. Bytes that only look like a reference are taken for one, so it may find more than there is, never less.
 */
export function addressesIn(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(REFERENCE_MARK); at >= 0; at = buffer.indexOf(REFERENCE_MARK, at + 1)) {
    const start = at + REFERENCE_MARK.length;
    const address = buffer.toString("latin1", start, start + ADDRESS_CHARS);
    if (ADDRESS.test(address)) found.push(address);
  }
  return found;
}

/** The same of a value that comes in pieces, cut anywhere. */
export async function addressesInPieces(pieces: AsyncIterable<Uint8Array>): Promise<Set<string>> {
  const found = new Set<string>();
  let cut: Uint8Array = new Uint8Array();
  for await (const piece of pieces) {
    const bytes = Buffer.concat([cut, piece]);
    for (const address of addressesIn(bytes)) found.add(address);
    cut = bytes.subarray(Math.max(0, bytes.length - CUT_BYTES));
  }
  return found;
}
