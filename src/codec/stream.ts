import { Packr, Unpackr } from "./msgpack.ts";
import { assert } from "../errors/index.ts";
import { BETWEEN_KEYS, PerKeys, idOf } from "./per-keys.ts";
import { RecordWriter, Shape, mustBeKey } from "./record-writer.ts";

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

export class StreamEncoder {
  readonly #writer = new RecordWriter((keys) => this.#learn(keys));
  /** Those that have a number, by their keys. */
  readonly #shapes = new Map<string, Shape>();
  #learned: Shape[] = [];
  #sent = 0;
  /** What the definitions that wait to be sent have, at most. */
  #unsentBytes = PREFIX_BYTES_MAX;

  /**
   * The bytes are valid until the next call.
   *
   * @param place messages of one place (a member of the protocol) tend to have one shape
   * @throws TypeError, RangeError at a value that is no wire value
   */
  encode(value: unknown, place = 0): Uint8Array {
    return this.#writer.write(value, place);
  }

  /** Are there shapes that the other side has not been sent? */
  get hasDefinitions(): boolean {
    return this.#learned.length > this.#sent;
  }

  /** The shapes that were learned since the last were sent, encoded. To be sent before the last encoded payload. */
  definitions(): Uint8Array {
    return plain.pack(this.#learned.slice(this.#sent).map(({ keys }) => keys));
  }

  /** The definitions are on their way. */
  definitionsSent(): void {
    this.#sent = this.#learned.length;
    this.#unsentBytes = PREFIX_BYTES_MAX;
  }

  #learn(keys: readonly string[]): Shape {
    const id = idOf(keys);
    const known = this.#shapes.get(id);
    if (known !== undefined) return known;
    keys.forEach(mustBeKey);
    const shape = new Shape(this.#numberFor(keys), keys);
    if (shape.number >= 0) {
      this.#learned.push(shape);
      this.#shapes.set(id, shape);
    }
    return shape;
  }

  /** The next number, unless all are taken or the definition would not fit with those that wait. */
  #numberFor(keys: readonly string[]): number {
    if (this.#learned.length >= SHAPES_MAX || keys.some((key) => key.includes(BETWEEN_KEYS))) return -1;
    let bytes = this.#unsentBytes + PREFIX_BYTES_MAX;
    for (const key of keys) bytes += PREFIX_BYTES_MAX + Buffer.byteLength(key);
    if (bytes > DEFINITIONS_BYTES_MAX) return -1;
    this.#unsentBytes = bytes;
    return this.#learned.length;
  }
}

export class StreamDecoder {
  #shapes: Keys[] = [];
  #unpacker = unpackerFor([]);
  /** The unpacker keeps notes on what it reads from, so the same memory is shown to it as the same object. */
  readonly #sources = new WeakMap<Uint8Array, Source>();

  /** Adds to the shapes known so far. */
  define(bytes: Uint8Array): void {
    const added = plain.unpack(bytes) as unknown;
    assert(Array.isArray(added) && added.every(isShape), "definitions are lists of keys");
    const shapes = [...this.#shapes, ...added.map((keys) => readersOf.get(keys))];
    assert(shapes.length <= SHAPES_MAX, `a stream shares at most ${SHAPES_MAX} shapes`);
    this.#shapes = shapes;
    this.#unpacker = unpackerFor(shapes);
  }

  /** Decodes `bytes[start, end)`; nothing of the result refers to `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): unknown {
    let source = this.#sources.get(bytes);
    if (!source) {
      source = new Source(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#sources.set(bytes, source);
    }
    source.read(start, end);
    return this.#unpacker.unpack(source, { start, end });
  }
}

/** It knows all shapes from the start: to ask for one in the middle of a message it would copy the whole ring. */
function unpackerFor(shapes: readonly Keys[]): Unpackr {
  return new Unpackr({
    structures: [...shapes],
    getStructures: () => {
      assert(false, "the shape of every object is defined before it is used");
    },
    maxSharedStructures: SHAPES_MAX,
    mapsAsObjects: true,
    structuredClone: false,
    // The source copies what is cut out of it.
    copyBuffers: false,
  });
}

/** A message above this has many byte strings, if it has any; they share memory in portions of so many bytes. */
const PORTION_BYTES = 8_192;
/** A longer byte string has memory of its own. */
const SHARED_BYTES_MAX = PORTION_BYTES / 8;

/**
 * What messages are read from. A byte string must not be a view of the ring, which is about to be overwritten, so it is
 * copied as it is cut out. Memory of its own costs it a microsecond, and its collector some more: ten thousand inputs
 * of one submit share theirs. Whoever keeps one of them keeps its portion, and nothing of another message.
 */
class Source extends Uint8Array<ArrayBufferLike> {
  #end = 0;
  #isShared = false;
  #portion = new ArrayBuffer(0);
  #used = 0;

  /** From here on a message is read. */
  read(start: number, end: number): void {
    this.#end = end;
    this.#isShared = end - start > PORTION_BYTES;
    if (this.#used > 0) this.#portion = new ArrayBuffer(0);
    this.#used = 0;
  }

  override subarray(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.buffer, this.byteOffset + start, end - start);
    if (!this.#isShared || bytes.length > SHARED_BYTES_MAX) return new Uint8Array(bytes);
    if (this.#used + bytes.length > this.#portion.byteLength) {
      this.#portion = new ArrayBuffer(Math.min(PORTION_BYTES, this.#end - start));
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#portion, this.#used, bytes.length);
    copy.set(bytes);
    this.#used += bytes.length;
    return copy;
  }
}

type Keys = string[];

/** The unpacker notes on a list of keys how objects of them are read, which every link then knows. */
const readersOf = new PerKeys((keys) => [...keys]);

const isShape = (value: unknown): value is Keys =>
  Array.isArray(value) && value.every((key) => typeof key === "string" && !key.includes(BETWEEN_KEYS));

/** Definitions themselves are plain lists of lists of keys. */
const plain = new Packr({ useRecords: false });
