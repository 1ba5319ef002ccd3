/** How a value and a place in it are written in a sentence for people. */

const IDENTIFIER = /^[A-Za-z_$][\w$-]*$/;
const TEXT_CHARS_MAX = 40;

/** `inputs.rows[3].name`; a key that is no plain word is quoted: `inputs["a b"]`. */
export function pathText(root: string, path: readonly PropertyKey[]): string {
  let text = root;
  for (const key of path) {
    if (typeof key === "string" && IDENTIFIER.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${typeof key === "string" ? JSON.stringify(key) : String(key)}]`;
  }
  return text;
}

/** What was got, short enough for a sentence. Never the content of an object: it may be large or private. */
export function shortText(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") {
    return value.length <= TEXT_CHARS_MAX
      ? JSON.stringify(value)
      : `${JSON.stringify(value.slice(0, TEXT_CHARS_MAX))}… (${value.length} characters)`;
  }
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  if (typeof value !== "object" || value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isPlainObject(value) ? "an object" : `an instance of ${value.constructor.name}`;
}

/** Made by a literal, `Object.create(null)` or `JSON.parse`, in this realm or another. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
