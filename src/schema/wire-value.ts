import { LIMITS, fault, type WireError } from "../errors/index.ts";
import { isPlainObject, pathText } from "./value-text.ts";

/**
 * A wire value: what can cross a thread, a file or the network and arrive as it was sent. The type says so at
 * compile time, `findNonWire` at run time, for values whose type is not known.
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
  null | undefined | boolean | number | bigint | string | Uint8Array | Date | WireError
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
 * rows[3].done". Undefined when all is well. Cost is linear in the size of the value.
 */
export function findNonWire(value: unknown): string | undefined {
  return search(value, [], []);
}

/**
 * @param what names the value in the error: "the input of task t1"
 * @throws NOT_A_WIRE_VALUE
 */
export function assertWire(value: unknown, what: string): asserts value is Wire {
  const found = findNonWire(value);
  if (found !== undefined) throw fault("NOT_A_WIRE_VALUE", { what, found });
}

function search(value: unknown, path: PropertyKey[], above: object[]): string | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : at("half a surrogate pair", path);
  if (typeof value === "bigint") {
    return value >= BIGINT_MIN && value <= BIGINT_MAX ? undefined : at("a bigint of more than 64 bits", path);
  }
  if (typeof value === "function" || typeof value === "symbol") return at(`a ${typeof value}`, path);
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Uint8Array || value instanceof Date) return undefined;
  if (above.includes(value)) return at("a cycle", path);
  // Every reader of a deeper one would need as deep a stack.
  const { wireDepth } = LIMITS.schema;
  if (above.length === wireDepth) return at(`something nested deeper than ${wireDepth}`, path);
  if (!Array.isArray(value) && !isPlainObject(value))
    return at(`an instance of ${value.constructor.name}`, path);

  above.push(value);
  const found = Array.isArray(value) ? searchItems(value, path, above) : searchFields(value, path, above);
  above.pop();
  return found;
}

function searchItems(items: readonly unknown[], path: PropertyKey[], above: object[]): string | undefined {
  for (const [index, item] of items.entries()) {
    path.push(index);
    const found = search(item, path, above);
    if (found !== undefined) return found;
    path.pop();
  }
  return undefined;
}

function searchFields(fields: object, path: PropertyKey[], above: object[]): string | undefined {
  for (const [key, field] of Object.entries(fields)) {
    path.push(key);
    // Whoever rebuilds the object by assignment would set its prototype instead of a key.
    const found =
      key === "__proto__" ? at("a key that no object should have", path) : search(field, path, above);
    if (found !== undefined) return found;
    path.pop();
  }
  return undefined;
}

const at = (what: string, path: readonly PropertyKey[]): string =>
  path.length === 0 ? what : `${what} at ${pathText("", path)}`;
