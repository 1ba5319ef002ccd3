import { isPlainObject } from "./value-text.ts";

/**
 * What a value holds under a key, as data: the own field of a plain object, or the item of an array under its index.
 * What a prototype offers, the length of an array and the characters of a text are no part of the data, so no path that
 * comes from outside leads to them.
 *
 * @returns undefined when there is no such member; a member that is itself undefined has a value
 */
export function ownMember(value: unknown, key: string | number): { readonly value: unknown } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    const index = typeof key === "number" ? key : INDEX.test(key) ? Number(key) : -1;
    return index >= 0 && index < value.length ? { value: value[index] } : undefined;
  }
  if (!isPlainObject(value) || !Object.hasOwn(value, key) || key === "__proto__") return undefined;
  return { value: value[key] };
}

const INDEX = /^(?:0|[1-9]\d*)$/;
