import { unpackValue } from "../codec/index.ts";

type Copy = () => unknown;

/**
 * Makes one value after the other of the same bytes, each the caller's own. Decoding takes most of the time of a read,
 * so what consists of plain data is decoded once and then copied; all else is decoded each time.
 *
 * @throws when the bytes are not what `packValue` made
 */
export function valueCopies(bytes: Uint8Array): Copy {
  return copierOf(unpackValue(bytes)) ?? (() => unpackValue(bytes));
}

/** Undefined: it holds something that is no plain data, such as bytes. */
function copierOf(value: unknown): Copy | undefined {
  if (typeof value !== "object" || value === null) return () => value;
  if (Array.isArray(value)) return copierOfList(value);
  return Object.getPrototypeOf(value) === Object.prototype ? copierOfObject(value) : undefined;
}

function copierOfList(list: readonly unknown[]): Copy | undefined {
  const copiers = nestedIn(list.entries());
  if (copiers === undefined) return undefined;
  return () => {
    const copy = list.slice();
    for (const [index, made] of copiers) copy[index] = made();
    return copy;
  };
}

function copierOfObject(object: object): Copy | undefined {
  const copiers = nestedIn<string>(Object.entries(object));
  if (copiers === undefined) return undefined;
  if (copiers.length === 0) return () => ({ ...object });
  return () => {
    const copy: Record<string, unknown> = { ...object };
    for (const [key, made] of copiers) copy[key] = made();
    return copy;
  };
}

/** Copiers of the members that a shallow copy would share. */
function nestedIn<Key>(members: Iterable<readonly [Key, unknown]>): [Key, Copy][] | undefined {
  const copiers: [Key, Copy][] = [];
  for (const [key, member] of members) {
    if (typeof member !== "object" || member === null) continue;
    const copier = copierOf(member);
    if (copier === undefined) return undefined;
    copiers.push([key, copier]);
  }
  return copiers;
}
