import { types } from "node:util";
import { LIMITS } from "../errors/index.ts";
import { isPlainObject } from "../schema/index.ts";
import { Packr } from "./msgpack.ts";
import { PerKeys } from "./per-keys.ts";
import { EXTENSION_REFERENCE, Reference, packReference } from "./reference.ts";

/**
 * Writes MessagePack with records: an object whose keys the reader already knows is one byte (0x40 plus the number of
 * its shape) and then its values, in the order of the keys. msgpackr's unpacker reads that; its packer writes it too,
 * but looks every key of every object up in a tree. This one guesses the shape (the one that stood in the same place
 * of the last message), checks the guess by comparing keys, and reads the values by code made for the shape, which
 * takes half the time (0.24 instead of 0.47 µs for a task) and makes this end the bound of a link no longer.
 *
 * It writes wire values and references, and refuses everything else: what would arrive as something other than it was
 * sent is an error here, whoever sends it and whatever was checked before.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 * @see https://github.com/kriszyp/msgpackr#record-object-structures (records)
 */

/** The keys of an object, in their order, and what was seen of such objects. */
export class Shape {
  /** On the wire; -1 = the reader will never know it: its objects are spelled out. */
  readonly number: number;
  readonly keys: readonly string[];
  /** The shape of the last object under each key: the guess for the next. */
  readonly guesses: (Shape | undefined)[];
  #values: Values | undefined;

  constructor(number: number, keys: readonly string[]) {
    this.number = number;
    this.keys = keys;
    this.guesses = keys.map(() => undefined);
  }

  /** Writes the values of an object that has exactly these keys. */
  write(writer: RecordWriter, object: Readonly<Record<string, unknown>>): void {
    this.#values ??= valuesOf.get(this.keys);
    this.#values.write(writer, object, this.guesses);
  }
}

/** How the values of objects with certain keys are written, in all links of this thread. */
class Values {
  readonly #keys: readonly string[];
  #uses = 0;
  #write: WriteValues | undefined;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  write(
    writer: RecordWriter,
    object: Readonly<Record<string, unknown>>,
    guesses: (Shape | undefined)[],
  ): void {
    if (this.#write === undefined) {
      this.#uses++;
      this.#write = this.#uses < USES_BEFORE_CODE ? undefined : codeFor(this.#keys);
    }
    if (this.#write !== undefined) this.#write(writer, object, guesses);
    else
      for (let index = 0; index < this.#keys.length; index++)
        writer.field(object[this.#keys[index] as string], guesses, index);
  }
}

const valuesOf = new PerKeys((keys) => new Values(keys));

type WriteValues = (writer: RecordWriter, object: object, guesses: (Shape | undefined)[]) => void;

/** Making code costs as much as writing so many objects without. */
const USES_BEFORE_CODE = 32;

/** Where the process forbids making code from strings, it does so for good. */
let mayMakeCode = true;

/**
 * One line per key, so that each read is of one known property. The keys are data, and stand in the code as string
 * literals only. Undefined where no code may be made.
 */
function codeFor(keys: readonly string[]): WriteValues | undefined {
  if (!mayMakeCode) return undefined;
  const lines = keys.map((key, index) => `writer.field(object[${JSON.stringify(key)}], guesses, ${index});`);
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- data stands in it as string literals only
    return new Function("writer", "object", "guesses", lines.join("\n")) as WriteValues;
  } catch {
    mayMakeCode = false;
    return undefined;
  }
}

/** How the writer asks for the shape of keys that it meets for the first time; those of one with a number may be keys. */
export type Learn = (keys: readonly string[]) => Shape;

const START_BYTES = 4_096;
/** After a larger message the memory is let go. */
const KEPT_BYTES_MAX = 262_144;
/** The longest head of anything, and what a number takes. */
const HEAD_BYTES = 9;
/** Shorter texts are copied character by character, which is faster than a call into the runtime. */
const SHORT_CHARS = 24;
/** Of longer ones the exact size is found first, instead of room for the worst case. */
const LONG_CHARS = 4_096;
const UTF8_BYTES_PER_CHAR = 3;
/** A large message is made room for in steps: twice as much, and beyond this half as much again. */
const LARGE_BYTES = 2 ** 24;
/** Of one byte: from 0x40 on it is a record to the reader of a stream. */
const SINGLE_MAX = { stream: 0x40, plain: 0x80 };

export interface WriteBounds {
  readonly bytesMax: number;
  /** Deeper nesting ends in an error instead of an exhausted stack. */
  readonly depthMax: number;
  /** Is given those that the value holds. */
  readonly references?: Reference[];
}

const MESSAGE_BOUNDS: WriteBounds = { bytesMax: LIMITS.actor.messageBytes, depthMax: 500 };

/** There are more bytes than allowed. How many more is not known: nobody has looked. */
export class TooLargeError extends RangeError {
  readonly atLeastBytes: number;

  constructor(atLeastBytes: number) {
    super(`a value of at least ${atLeastBytes} bytes`);
    this.atLeastBytes = atLeastBytes;
  }
}

export class RecordWriter {
  readonly #learn: Learn | null;
  readonly #singleMax: number;
  #bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #position = 0;
  #depth = 0;
  #bounds = MESSAGE_BOUNDS;
  #isWriting = false;
  /** For the root of the next message, by its kind. */
  readonly #roots: (Shape | undefined)[] = [];

  /** @param learn null: no shapes; every object is spelled out, and any reader of MessagePack understands it */
  constructor(learn: Learn | null) {
    this.#learn = learn;
    this.#singleMax = learn === null ? SINGLE_MAX.plain : SINGLE_MAX.stream;
  }

  /**
   * @param place messages of one place tend to have one shape
   * @returns bytes that are valid until the next call
   * @throws TooLargeError; RangeError for what is nested too deeply, or holds itself; TypeError for what cannot be
   *   written; whatever a getter of the value throws
   */
  write(value: unknown, place: number, bounds: WriteBounds = MESSAGE_BOUNDS): Uint8Array {
    // A getter of what is being written writes.
    if (this.#isWriting) return new RecordWriter(this.#learn).write(value, place, bounds);
    this.letGo();
    this.#position = 0;
    this.#depth = 0;
    this.#bounds = bounds;
    this.#isWriting = true;
    try {
      this.field(value, this.#roots, place);
    } finally {
      this.#isWriting = false;
    }
    this.#mustFit(0);
    return this.#bytes.subarray(0, this.#position);
  }

  /** The memory of a large message, when its bytes are not needed any more. */
  letGo(): void {
    if (this.#bytes.length > KEPT_BYTES_MAX && !this.#isWriting)
      this.#use(Buffer.allocUnsafeSlow(START_BYTES));
  }

  /** Writes one value; an object's shape is guessed from, and noted in, `guesses[index]`. */
  field(value: unknown, guesses: (Shape | undefined)[], index: number): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "object" && value !== null) this.#object(value, guesses, index);
    else this.#simple(value);
  }

  #object(value: object, guesses: (Shape | undefined)[], index: number): void {
    const isList = Array.isArray(value);
    if (!isList && Object.getPrototypeOf(value) !== Object.prototype && !isPlainObject(value)) {
      this.#whole(value);
      return;
    }
    const { depthMax } = this.#bounds;
    if (++this.#depth > depthMax) throw new RangeError(`a value nested more than ${depthMax} deep`);
    if (isList) this.#list(value, guesses, index);
    else {
      const fields = value as Record<string, unknown>;
      if (this.#learn === null) this.#spell(fields, Object.keys(fields), guesses);
      else guesses[index] = this.#record(fields, guesses[index], this.#learn);
    }
    this.#depth--;
  }

  #list(list: readonly unknown[], guesses: (Shape | undefined)[], index: number): void {
    const { length } = list;
    if (!(Number.isSafeInteger(length) && length >= 0)) throw new TypeError("a list without a length");
    // Each takes a byte at least, also where there is none.
    this.#mustFit(length);
    this.#head(length, 0x90, 16, 0xdc);
    for (let item = 0; item < length; item++) {
      const value = list[item];
      if (value === undefined && !(item in list)) throw new TypeError("a list with a hole");
      this.field(value, guesses, index);
    }
  }

  #record(object: Record<string, unknown>, guess: Shape | undefined, learn: Learn): Shape {
    const keys = Object.keys(object);
    // A shape without a number may get one: there may be room for its definition by now.
    const shape =
      guess !== undefined && guess.number >= 0 && sameKeys(guess.keys, keys) ? guess : learn(keys);
    if (shape.number < 0) {
      this.#spell(object, keys, shape.guesses);
      return shape;
    }
    this.#room(1);
    this.#bytes[this.#position++] = 0x40 + shape.number;
    shape.write(this, object);
    return shape;
  }

  #spell(
    object: Readonly<Record<string, unknown>>,
    keys: readonly string[],
    guesses: (Shape | undefined)[],
  ): void {
    this.#mustFit(2 * keys.length);
    this.#head(keys.length, 0x80, 16, 0xde);
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      if (key === NO_KEY) mustBeKey(key);
      this.#text(key);
      this.field(object[key], guesses, index);
    }
  }

  #text(text: string): void {
    const chars = text.length;
    this.#mustFit(chars);
    const longest = chars <= LONG_CHARS ? chars * UTF8_BYTES_PER_CHAR : Buffer.byteLength(text);
    this.#room(HEAD_BYTES + longest);
    if (chars <= SHORT_CHARS && this.#ascii(text, chars)) return;
    if (!text.isWellFormed()) throw new TypeError("half a surrogate pair");
    const headBytes = longest < 32 ? 1 : longest < 256 ? 2 : longest < 65_536 ? 3 : 5;
    const start = this.#position;
    const size = this.#bytes.write(text, start + headBytes, "utf8");
    if (headBytes === 1) this.#bytes[start] = 0xa0 | size;
    else this.#sized(start, headBytes === 2 ? 0xd9 : headBytes === 3 ? 0xda : 0xdb, size);
    this.#position = start + headBytes + size;
  }

  /** True when the text was plain ASCII and is written. */
  #ascii(text: string, chars: number): boolean {
    const bytes = this.#bytes;
    let position = this.#position + 1;
    for (let index = 0; index < chars; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[position++] = code;
    }
    bytes[this.#position] = 0xa0 | chars;
    this.#position = position;
    return true;
  }

  #number(value: number): void {
    this.#room(HEAD_BYTES);
    if (value >= 0 && value < this.#singleMax && (value | 0) === value) this.#bytes[this.#position++] = value;
    else if ((value | 0) === value) this.#integer(value);
    else {
      this.#bytes[this.#position] = 0xcb;
      this.#view.setFloat64(this.#position + 1, value);
      this.#position += 9;
    }
  }

  #integer(value: number): void {
    const at = this.#position;
    if (value >= -32 && value < 0) {
      this.#bytes[at] = value & 0xff;
      this.#position += 1;
    } else if (value >= 0 && value < 0x1_0000) {
      this.#sized(at, value < 0x100 ? 0xcc : 0xcd, value);
      this.#position += value < 0x100 ? 2 : 3;
    } else {
      this.#bytes[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
      this.#position += 5;
    }
  }

  #simple(value: unknown): void {
    this.#room(HEAD_BYTES);
    if (value === null) this.#bytes[this.#position++] = 0xc0;
    else if (value === true) this.#bytes[this.#position++] = 0xc3;
    else if (value === false) this.#bytes[this.#position++] = 0xc2;
    else if (value === undefined) {
      // Extension 0 of one byte, as msgpackr has it.
      this.#bytes[this.#position++] = 0xd4;
      this.#bytes[this.#position++] = 0;
      this.#bytes[this.#position++] = 0;
    } else if (typeof value === "bigint") this.#bigint(value);
    else throw new TypeError(`a ${typeof value}`);
  }

  /** Always 64 bits: that is how the reader tells it from a number. */
  #bigint(value: bigint): void {
    const isSigned = BigInt.asIntN(64, value) === value;
    if (!isSigned && BigInt.asUintN(64, value) !== value)
      throw new TypeError("a bigint of more than 64 bits");
    this.#bytes[this.#position] = isSigned ? 0xd3 : 0xcf;
    if (isSigned) this.#view.setBigInt64(this.#position + 1, value);
    else this.#view.setBigUint64(this.#position + 1, value);
    this.#position += 9;
  }

  /** What crosses as a whole. Looked at from outside of its class, whose methods it may have replaced. */
  #whole(value: object): void {
    if (types.isUint8Array(value)) this.#binary(value);
    else if (types.isDate(value))
      this.#append(plainPacker.pack(new Date(Date.prototype.getTime.call(value))));
    else if (value instanceof Reference) {
      this.#extension(EXTENSION_REFERENCE, packReference(value));
      this.#bounds.references?.push(value);
    } else throw new TypeError("an instance of a class");
  }

  #binary(bytes: Uint8Array): void {
    const sizeBytes = byteLengthOf.call(bytes);
    this.#mustFit(sizeBytes);
    this.#room(HEAD_BYTES);
    const code = sizeBytes < 0x100 ? 0xc4 : sizeBytes < 0x1_0000 ? 0xc5 : 0xc6;
    this.#coded(code, sizeBytes);
    this.#append(bytes, sizeBytes);
  }

  /** MessagePack is made of parts that stand alone, so what is packed elsewhere can be set in. */
  #append(bytes: Uint8Array, sizeBytes = bytes.length): void {
    this.#room(sizeBytes);
    this.#bytes.set(bytes, this.#position);
    this.#position += sizeBytes;
  }

  #extension(type: number, content: Uint8Array): void {
    this.#room(HEAD_BYTES);
    const sizeBytes = content.length;
    this.#coded(sizeBytes < 0x100 ? 0xc7 : sizeBytes < 0x1_0000 ? 0xc8 : 0xc9, sizeBytes);
    this.#bytes[this.#position++] = type;
    this.#append(content);
  }

  /** A code of three neighbours, for 8, 16 and 32 bits, and the number that it announces. */
  #coded(code: number, size: number): void {
    this.#bytes[this.#position++] = code;
    if (size < 0x100) this.#bytes[this.#position++] = size;
    else if (size < 0x1_0000) this.#position = this.#bytes.writeUInt16BE(size, this.#position);
    else this.#position = this.#bytes.writeUInt32BE(size, this.#position);
  }

  /** The head of a list or map: short ones in one byte, then with 16 or 32 bits of count. */
  #head(count: number, short: number, shortMax: number, code16: number): void {
    this.#room(HEAD_BYTES);
    if (count < shortMax) this.#bytes[this.#position++] = short | count;
    else {
      this.#sized(this.#position, count < 0x1_0000 ? code16 : code16 + 1, count);
      this.#position += count < 0x1_0000 ? 3 : 5;
    }
  }

  /** A code and the number that it announces: 8 bits for 0xcc and 0xd9, 16 for 0xcd, 0xda, 0xdc and 0xde, else 32. */
  #sized(at: number, code: number, size: number): void {
    this.#bytes[at] = code;
    if (code === 0xcc || code === 0xd9) this.#bytes[at + 1] = size;
    else if (code === 0xcd || code === 0xda || code === 0xdc || code === 0xde)
      this.#view.setUint16(at + 1, size);
    else this.#view.setUint32(at + 1, size);
  }

  #mustFit(sizeBytes: number): void {
    if (this.#position + sizeBytes > this.#bounds.bytesMax)
      throw new TooLargeError(this.#position + sizeBytes);
  }

  #room(sizeBytes: number): void {
    const { length } = this.#bytes;
    if (this.#position + sizeBytes <= length) return;
    this.#mustFit(0);
    const grown = length < LARGE_BYTES ? length * 2 : length * 1.5;
    const larger = Buffer.allocUnsafeSlow(Math.max(grown, this.#position + sizeBytes));
    larger.set(this.#bytes.subarray(0, this.#position));
    this.#use(larger);
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

function sameKeys(known: readonly string[], keys: readonly string[]): boolean {
  if (known.length !== keys.length) return false;
  for (let index = 0; index < keys.length; index++) if (known[index] !== keys[index]) return false;
  return true;
}

/** Whoever rebuilds an object by assignment would set its prototype instead of this key. */
const NO_KEY = "__proto__";

export function mustBeKey(key: string): void {
  if (key === NO_KEY || !key.isWellFormed()) throw new TypeError("a key that cannot be written");
}

/** Of the bytes themselves, whatever a property of that name says. */
const byteLengthOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  "byteLength",
)?.get as () => number;

/** For dates, which have three forms. */
const plainPacker = new Packr({ useRecords: false });
