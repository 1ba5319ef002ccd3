import { LIMITS, fault } from "../errors/index.ts";
import { isPlainObject, pathText, shortText } from "./value-text.ts";

/**
 * The one JSON text of a value: equal values give equal texts, whatever the order their keys were written in. For
 * hashing and comparing.
 *
 * Nothing is left out or converted silently: what JSON has no word for is an error, `undefined` and `Date` included,
 * because two different values would otherwise share a text.
 *
 * @throws INVALID_ARGUMENT naming the place
 * @see https://www.rfc-editor.org/rfc/rfc8785 (numbers: section 3.2.2.3, order of keys: section 3.2.3)
 */
export function canonicalJson(value: unknown): string {
  return write(value, []);
}

function write(value: unknown, path: PropertyKey[]): string {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === "number" && Number.isFinite(value)) {
    // The RFC takes over how ECMAScript writes numbers; -0 is written as 0.
    return String(value);
  }
  if (typeof value === "string" && value.isWellFormed()) return JSON.stringify(value);
  if (typeof value === "object") {
    // With depth, every cycle is refused too.
    const { canonicalDepth } = LIMITS.schema;
    if (path.length >= canonicalDepth)
      throw refused(path, "nested too deep, or a cycle", `a depth of ${canonicalDepth}`);
    if (Array.isArray(value)) return writeArray(value, path);
    if (isPlainObject(value)) return writeObject(value, path);
  }
  throw refused(
    path,
    describe(value),
    "null, a boolean, a finite number, well-formed text, an array or a plain object",
  );
}

function writeArray(items: readonly unknown[], path: PropertyKey[]): string {
  const texts: string[] = [];
  for (let index = 0; index < items.length; index++) {
    path.push(index);
    texts.push(write(items[index], path));
    path.pop();
  }
  return `[${texts.join(",")}]`;
}

function writeObject(fields: Record<string, unknown>, path: PropertyKey[]): string {
  // Without a comparison function, sort compares UTF-16 code units: exactly what the RFC asks for.
  const texts = Object.keys(fields)
    .toSorted()
    .map((key) => {
      path.push(key);
      if (!key.isWellFormed()) throw refused(path, "a key with half a surrogate pair", "well-formed text");
      const text = `${JSON.stringify(key)}:${write(fields[key], path)}`;
      path.pop();
      return text;
    });
  return `{${texts.join(",")}}`;
}

function describe(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "string") return "text with half a surrogate pair";
  return shortText(value);
}

const refused = (path: readonly PropertyKey[], got: string, allowed: string): Error =>
  fault("INVALID_ARGUMENT", { argument: pathText("", path) || "the value", got, allowed });
