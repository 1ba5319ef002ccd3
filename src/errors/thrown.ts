/**
 * What was thrown may be anything: a text, an object whose getters throw, a proxy that refuses every look. Whoever
 * describes it must not fail in turn, or the description of one failure would hide both.
 */

/** A property of what was thrown; undefined when it has none or does not let us look. */
export function peek(thrown: unknown, key: PropertyKey): unknown {
  try {
    return (thrown as Record<PropertyKey, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}

export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something that has no text";
  }
}
