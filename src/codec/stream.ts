import { Packr, Unpackr } from "msgpackr";

/**
 * MessagePack for one direction of one link, with record structures that both sides share: an object's keys cross
 * once, and later objects of the same shape carry one byte instead (90 instead of 157 bytes for a task, and decoding
 * takes a third of the time).
 *
 * The writer learns shapes as they come. Whatever it has learned must reach the reader before the first payload that
 * uses it: `definitions` says when there is something to send, and since a link keeps its order, sending it in a
 * frame ahead of the payload is enough. Definitions are cumulative, so one that was withheld because the ring was
 * full is simply part of the next.
 */

/** More shapes than this are spelled out in the messages that use them: a link's memory of shapes is bounded. */
const SHAPES_MAX = 32;

type Shape = string[];

export class StreamEncoder {
  readonly #packer: Packr;
  #learned: Shape[] = [];
  #pending = false;

  constructor() {
    this.#packer = new Packr({
      structures: [],
      maxSharedStructures: SHAPES_MAX,
      saveStructures: (structures: readonly unknown[]) => {
        this.#learned = structures.slice() as Shape[];
        this.#pending = true;
        return true;
      },
    });
  }

  /** The bytes are valid until the next call. */
  encode(value: unknown): Uint8Array {
    return this.#packer.pack(value);
  }

  /** Are there shapes that the other side has not been sent? */
  get hasDefinitions(): boolean {
    return this.#pending;
  }

  /** All shapes so far, encoded. To be sent before the last encoded payload. */
  definitions(): Uint8Array {
    return plain.pack(this.#learned);
  }

  /** The definitions are on their way. */
  definitionsSent(): void {
    this.#pending = false;
  }
}

export class StreamDecoder {
  readonly #unpacker: Unpackr;
  #shapes: Shape[] = [];

  constructor() {
    this.#unpacker = new Unpackr({
      getStructures: () => this.#shapes,
      maxSharedStructures: SHAPES_MAX,
      // A byte string must not be a view of the ring, which is about to be overwritten.
      copyBuffers: true,
    });
  }

  define(bytes: Uint8Array): void {
    this.#shapes = plain.unpack(bytes) as Shape[];
  }

  /** Decodes `bytes[start, end)`; nothing of the result refers to `bytes`. */
  decode(bytes: Buffer, start: number, end: number): unknown {
    return this.#unpacker.unpack(bytes, { start, end });
  }
}

/** Definitions themselves are plain lists of lists of keys. */
const plain = new Packr({ useRecords: false });
