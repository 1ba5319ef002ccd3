import { types } from "node:util";
import { LIMITS, fault, sentenceOf, type WireError } from "../errors/index.ts";
import { instanceText, isPlainObject, pathText, shortText } from "./value-text.ts";

/**
 * A wire value: what can cross a thread, a file or the network and arrive as it was sent. The type says so at
 * compile time, `findNonWire` at run time, for values whose type is not known.
 *
 * The value of an object is its own enumerable keys that are texts, that of an array its items. What else hangs on them
 * (symbols, methods of a prototype, keys of an array) is no part of it and stays behind, as with JSON.
 */
export type Wire =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly Wire[]
  | { readonly [key: string]: Wire };

/**
 * `T` with everything that cannot cross replaced by `never`.
 *
 * - Functions, symbols, `any` and `unknown` cannot cross; so cannot an object with a method or a symbol key, which
 *   takes class instances, Maps, Sets and Promises with it; nor `object` and `{}`, which say nothing.
 * - The wire form of an error may: its details are plain by the fault table, though its type cannot say so.
 */
export type Wireable<T> = unknown extends T ? never : [T, Wire] extends [Wire, T] ? T : WireableMember<T>;

/** Takes the members of a union one by one. `Wire` itself never gets here: it is its own answer, and endless. */
type WireableMember<T> = T extends
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | WireError
  ? T
  : T extends symbol | ((...args: never) => unknown)
    ? never
    : T extends object
      ? [keyof T] extends [never]
        ? never
        : { [K in keyof T]: K extends symbol ? never : Wireable<T[K]> }
      : never;

/**
 * True when values of type `T` can cross.
 *
 * It compares `T` with a mapped copy of itself instead of walking it, so that the compiler's own handling of
 * recursive types makes it end, and it does not mention itself, so that it can check a type argument:
 * `call<P>(..._: IsWire<P> extends true ? [] : [never])`. A constraint `P extends Wireable<P>` would be circular.
 */
export type IsWire<T> = [T] extends [Wireable<T>] ? true : false;

const BIGINT_MIN = -(2n ** 63n);
const BIGINT_MAX = 2n ** 64n - 1n;

/**
 * Names the first thing in a value that would not arrive as it was sent, and where it is: "a function at
 * rows[3].done". Undefined when all is well. Never throws, whatever the value's getters and proxies do; takes time in
 * proportion to what is allowed, however large the value is or pretends to be.
 *
 * @param options.isWhole what else can cross, and is not looked into
 * @param options.bytesMax of the value packed; more is found once it is certain, by a count that is too low
 * @param options.depthMax for a value of our own that holds a user's
 */
export function findNonWire(value: unknown, options: WireOptions = {}): string | undefined {
  const { wireBytes, wireDepth } = LIMITS.schema;
  const { isWhole = () => false, bytesMax = wireBytes, depthMax = wireDepth } = options;
  const search: Search = { isWhole, bytesMax, depthMax, leftBytes: bytesMax, path: [], above: [] };
  try {
    return findIn(value, search);
  } catch (error) {
    return at(`something that cannot be read (${shortText(sentenceOf(error))})`, search);
  }
}

export interface WireOptions {
  readonly isWhole?: (value: object) => boolean;
  readonly bytesMax?: number;
  readonly depthMax?: number;
}

/**
 * @param what names the value in the error: "the input of task t1"
 * @throws NOT_A_WIRE_VALUE
 */
export function assertWire(value: unknown, what: string): asserts value is Wire {
  const found = findNonWire(value);
  if (found !== undefined) throw fault("NOT_A_WIRE_VALUE", { what, found });
}

interface Search extends Required<WireOptions> {
  leftBytes: number;
  readonly path: PropertyKey[];
  readonly above: object[];
}

function findIn(value: unknown, search: Search): string | undefined {
  if (typeof value === "string") {
    if (!take(value.length + 1, search)) return tooLarge(search);
    return value.isWellFormed() ? undefined : at("half a surrogate pair", search);
  }
  if (!take(1, search)) return tooLarge(search);
  if (typeof value === "bigint") {
    return value >= BIGINT_MIN && value <= BIGINT_MAX
      ? undefined
      : at("a bigint of more than 64 bits", search);
  }
  if (typeof value === "function" || typeof value === "symbol") return at(`a ${typeof value}`, search);
  if (typeof value !== "object" || value === null) return undefined;
  // What only looks like bytes, or like a date, would throw where it is written.
  if (types.isUint8Array(value)) return findInBytes(value, search);
  if (types.isDate(value) || search.isWhole(value)) return undefined;
  const { above, depthMax } = search;
  if (above.includes(value)) return at("a cycle", search);
  // Every reader of a deeper one would need as deep a stack.
  if (above.length === depthMax) return at(`something nested deeper than ${depthMax}`, search);
  const isList = Array.isArray(value);
  if (!isList && !isPlainObject(value)) return at(instanceText(value), search);
  above.push(value);
  const found = isList ? findInItems(value, search) : findInFields(value, search);
  above.pop();
  return found;
}

function findInBytes({ buffer, byteLength }: Uint8Array, search: Search): string | undefined {
  if (buffer instanceof ArrayBuffer && buffer.detached) return at("bytes that have been transferred", search);
  return take(byteLength, search) ? undefined : tooLarge(search);
}

function findInItems(items: readonly unknown[], search: Search): string | undefined {
  const { length } = items;
  // Each takes a byte at least, also where there is none.
  if (length > search.leftBytes) return tooLarge(search);
  for (let index = 0; index < length; index++) {
    const item = items[index];
    search.path.push(index);
    const found = item === undefined && !(index in items) ? at("a hole", search) : findIn(item, search);
    if (found !== undefined) return found;
    search.path.pop();
  }
  return undefined;
}

function findInFields(fields: Readonly<Record<string, unknown>>, search: Search): string | undefined {
  const keys = Object.keys(fields);
  if (keys.length > search.leftBytes) return tooLarge(search);
  for (const key of keys) {
    search.path.push(key);
    const found = findInKey(key, search) ?? findIn(fields[key], search);
    if (found !== undefined) return found;
    search.path.pop();
  }
  return undefined;
}

function findInKey(key: string, search: Search): string | undefined {
  if (!take(key.length, search)) return tooLarge(search);
  // Whoever rebuilds the object by assignment would set its prototype instead of a key.
  if (key === "__proto__") return at("a key that no object should have", search);
  // Two keys that differ there only would become one.
  return key.isWellFormed() ? undefined : at("a key with half a surrogate pair", search);
}

function take(bytes: number, search: Search): boolean {
  search.leftBytes -= bytes;
  return search.leftBytes >= 0;
}

const tooLarge = ({ bytesMax }: Search): string => `more than ${bytesMax} bytes`;

const at = (what: string, { path }: Search): string =>
  path.length === 0 ? what : `${what} at ${pathText("", path)}`;
