import { packValue, unpackValue } from "../../codec/index.ts";
import { LIMITS, fault } from "../../errors/index.ts";

/** What a frame holds beside a message of the largest size. */
const MARGIN_BYTES = 1_024;
const LENGTH_BYTES = 4;

/** The largest frame after the two sides know each other. */
export const FRAME_BYTES_MAX = LIMITS.actor.messageBytes + MARGIN_BYTES;

/**
 * One message of a local socket: a list of plain values, packed.
 *
 *     0               4
 *     | length (u32)  | MessagePack, without shared shapes …
 *
 * The length is big-endian and does not count itself.
 */
export function frameOf(fields: readonly unknown[]): Uint8Array {
  const packed = packValue(fields);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + packed.length);
  frame.writeUInt32BE(packed.length);
  frame.set(packed, LENGTH_BYTES);
  return frame;
}

/** Puts the frames of a byte stream together again, however it was cut. */
export class FrameReader {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  /** What is being filled: the length, or the body that it has announced. */
  #target: Buffer = this.#length;
  #filled = 0;
  /** A longer frame is refused when its length is known. */
  bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @throws VALUE_CORRUPT at a frame that is too long, empty, or no packed list; the stream is of no use then */
  *push(chunk: Uint8Array): Generator<readonly unknown[]> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.length) {
      const copied = bytes.copy(this.#target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < this.#target.length) return;
      const body = this.#target;
      this.#filled = 0;
      if (body === this.#length) this.#target = this.#announced();
      else {
        this.#target = this.#length;
        yield listIn(body);
      }
    }
  }

  #announced(): Buffer {
    const bytes = this.#length.readUInt32BE();
    if (bytes === 0 || bytes > this.bytesMax) {
      throw fault("VALUE_CORRUPT", { why: `a frame of ${bytes} bytes; allowed are 1 to ${this.bytesMax}` });
    }
    // Of its own, so that it is given back as a whole.
    return Buffer.allocUnsafeSlow(bytes);
  }
}

function listIn(body: Buffer): readonly unknown[] {
  const value = unpackValue(body);
  if (!Array.isArray(value)) throw fault("VALUE_CORRUPT", { why: "a frame that holds no list" });
  return value;
}
