import { Packr, Unpackr } from "msgpackr";
import { assert } from "../errors/index.ts";

/**
 * MessagePack for one direction of one link, with record structures that both sides share: an object's keys cross
 * once, and later objects of the same shape carry one byte instead (90 instead of 157 bytes for a task, and decoding
 * takes a third of the time).
 *
 * The writer learns shapes as they come. Whatever it has learned must reach the reader before the first payload that
 * uses it: `hasDefinitions` says when there is something to send, and since a link keeps its order, sending it in a
 * frame ahead of the payload is enough. A definition that was withheld because the ring was full, or because its
 * message was refused, is simply part of the next.
 */

/** More shapes than this are spelled out in the messages that use them: a link's memory of shapes is bounded. */
const SHAPES_MAX = 32;

/**
 * Definitions that wait to be sent have at most so many bytes, so that they fit into one frame of the smallest ring.
 * Shapes beyond it, such as a table used as an object of a thousand keys, are spelled out in their messages.
 */
const DEFINITIONS_BYTES_MAX = 960;
/** The longest length prefix of a list or a text in MessagePack. */
const PREFIX_BYTES_MAX = 5;

type Shape = readonly string[];

/**
 * The packer remembers shapes in a tree of keys and keeps notes of its own in it, under this key. An object that has
 * it would be mistaken for such a note, and the shapes of all later objects with it.
 *
 * @see https://github.com/kriszyp/msgpackr/blob/master/pack.js (`transition.__keys__`)
 */
const KEY_OF_PACKER = "__keys__";

export class StreamEncoder {
  readonly #packer: Packr;
  #shapes: Shape[] = [];
  #sentShapes = 0;
  /** What the definitions that wait to be sent will have, at most. */
  #unsentBytes = 0;
  #unsentBytesAtStart = 0;
  #declined = false;

  constructor() {
    this.#packer = new Packr({
      structures: [],
      maxSharedStructures: SHAPES_MAX,
      saveStructures: (structures: Shape[]) => void (this.#shapes = structures.slice()),
      shouldShareStructure: (keys: Shape) => this.#shares(keys),
      useRecords: (value: object) => !Object.hasOwn(value, KEY_OF_PACKER),
      variableMapSize: true,
      // An object with a key of that name is data like any other.
      useToJSON: false,
    });
  }

  /**
   * The bytes are valid until the next call.
   *
   * @throws whatever the packer throws at a value that is no wire value; nothing was learned then
   */
  encode(value: unknown): Uint8Array {
    this.#unsentBytesAtStart = this.#unsentBytes;
    this.#declined = false;
    try {
      return this.#packer.pack(value);
    } catch (error) {
      this.#unsentBytes = this.#unsentBytesAtStart;
      throw error;
    }
  }

  /** Are there shapes that the other side has not been sent? */
  get hasDefinitions(): boolean {
    return this.#shapes.length > this.#sentShapes;
  }

  /** The shapes that were learned since the last were sent, encoded. To be sent before the last encoded payload. */
  definitions(): Uint8Array {
    return plain.pack(this.#shapes.slice(this.#sentShapes));
  }

  /** The definitions are on their way. */
  definitionsSent(): void {
    this.#sentShapes = this.#shapes.length;
    this.#unsentBytes = 0;
  }

  /**
   * Asked once for each new shape. After a refusal the rest of the message learns nothing: the packer would give a
   * number beyond the shared ones to a refused shape, and once its shared ones are used up, the same number to another.
   */
  #shares(keys: Shape): boolean {
    if (this.#declined) return false;
    let bytes = PREFIX_BYTES_MAX;
    for (const key of keys) bytes += PREFIX_BYTES_MAX + Buffer.byteLength(key);
    this.#declined = PREFIX_BYTES_MAX + this.#unsentBytes + bytes > DEFINITIONS_BYTES_MAX;
    if (!this.#declined) this.#unsentBytes += bytes;
    return !this.#declined;
  }
}

export class StreamDecoder {
  readonly #unpacker: Unpackr;
  #shapes: Shape[] = [];
  /** Have shapes come since the unpacker last asked? */
  #fresh = false;
  /** The unpacker keeps notes on what it reads from, so the same memory is shown to it as the same object. */
  readonly #views = new WeakMap<Uint8Array, Uint8Array>();

  constructor() {
    this.#unpacker = new Unpackr({
      // Asked for when a payload uses a shape that the unpacker does not know.
      getStructures: () => {
        assert(this.#fresh, "the shape of every object is defined before it is used");
        this.#fresh = false;
        return this.#shapes.slice();
      },
      maxSharedStructures: SHAPES_MAX,
      mapsAsObjects: true,
      structuredClone: false,
      // A byte string must not be a view of the ring, which is about to be overwritten.
      copyBuffers: true,
    });
  }

  /** Adds to the shapes known so far. */
  define(bytes: Uint8Array): void {
    const added = plain.unpack(bytes) as unknown;
    assert(Array.isArray(added) && added.every(isShape), "definitions are lists of keys");
    this.#shapes = [...this.#shapes, ...added];
    assert(this.#shapes.length <= SHAPES_MAX, `a stream shares at most ${SHAPES_MAX} shapes`);
    this.#fresh = true;
  }

  /** Decodes `bytes[start, end)`; nothing of the result refers to `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): unknown {
    let view = this.#views.get(bytes);
    if (!view) {
      // Byte strings take the class of what they are cut from: of a Buffer they would become Buffers.
      view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#views.set(bytes, view);
    }
    return this.#unpacker.unpack(view, { start, end });
  }
}

const isShape = (value: unknown): value is Shape =>
  Array.isArray(value) && value.every((key) => typeof key === "string");

/** Definitions themselves are plain lists of lists of keys. */
const plain = new Packr({ useRecords: false });
