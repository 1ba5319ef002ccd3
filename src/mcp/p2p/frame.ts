/** A JSON object as it travels. */
export type Members = Record<string, unknown>;

/** Why bytes are no frame, in the words of the published protocol. */
export type FrameFault = "frame_too_large" | "invalid_json" | "invalid_message";

/** What bytes turned out to hold. Nothing follows one that is wrong. */
export type Frame =
  | { readonly kind: "message"; readonly message: Members }
  | { readonly kind: "wrong"; readonly why: FrameFault };

const PREFIX_BYTES = 4;
/** Room that is made before anything of a frame has come. */
const FIRST_BYTES = 16_384;

/**
 * A message as its length and its text.
 *
 * ```
 *   0        4
 *   │ length │ UTF-8 of one JSON object, so many bytes … │     the length is unsigned and big-endian
 * ```
 */
export function frameOf(message: object): Buffer {
  const text = JSON.stringify(message);
  const bodyBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + bodyBytes);
  frame.writeUInt32BE(bodyBytes, 0);
  frame.write(text, PREFIX_BYTES, "utf8");
  return frame;
}

/** How long the text in a frame is. */
export const bodyBytesOf = (frame: Uint8Array): number => frame.byteLength - PREFIX_BYTES;

/** Cuts a stream of bytes into messages, in linear time whatever the pieces, with room for little more than has come. */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  /** Of the frame whose length is known; undefined: it is not. */
  #body: Buffer | undefined;
  #bodyBytes = 0;
  #sizeBytes = 0;
  #isOver = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#prefixBytes === 0 && this.#body === undefined;
  }

  /** The frames that end in this chunk. A chunk is not looked at again. */
  *feed(chunk: Uint8Array): Generator<Frame> {
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      at += this.#body === undefined ? this.#readPrefix(chunk, at) : this.#readBody(this.#body, chunk, at);
      if (this.#prefixBytes === PREFIX_BYTES) yield* this.#begin();
      if (this.#body !== undefined && this.#bodyBytes === this.#sizeBytes) yield this.#take(this.#body);
    }
  }

  /** @returns how many bytes that were */
  #readPrefix(chunk: Uint8Array, at: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixBytes, chunk.length - at);
    this.#prefix.set(chunk.subarray(at, at + count), this.#prefixBytes);
    this.#prefixBytes += count;
    return count;
  }

  /** The length is judged before any room is made for it. */
  *#begin(): Generator<Frame> {
    this.#prefixBytes = 0;
    const sizeBytes = this.#prefix.readUInt32BE(0);
    if (sizeBytes > this.#bytesMax) {
      yield this.#wrong("frame_too_large");
      return;
    }
    this.#sizeBytes = sizeBytes;
    this.#bodyBytes = 0;
    this.#body = Buffer.allocUnsafe(Math.min(sizeBytes, FIRST_BYTES));
  }

  /** @returns how many bytes that were */
  #readBody(body: Buffer, chunk: Uint8Array, at: number): number {
    const count = Math.min(this.#sizeBytes - this.#bodyBytes, chunk.length - at);
    const neededBytes = this.#bodyBytes + count;
    let room = body;
    if (neededBytes > body.length) {
      room = Buffer.allocUnsafe(Math.min(this.#sizeBytes, Math.max(neededBytes, 2 * body.length)));
      room.set(body.subarray(0, this.#bodyBytes));
      this.#body = room;
    }
    room.set(chunk.subarray(at, at + count), this.#bodyBytes);
    this.#bodyBytes = neededBytes;
    return count;
  }

  #take(body: Buffer): Frame {
    this.#body = undefined;
    let value: unknown;
    try {
      // Not one that is used again: it would keep what a broken text has left in it.
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
    } catch {
      return this.#wrong("invalid_json");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return this.#wrong("invalid_message");
    return { kind: "message", message: value as Members };
  }

  #wrong(why: FrameFault): Frame {
    this.#isOver = true;
    return { kind: "wrong", why };
  }
}
