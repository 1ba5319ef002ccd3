/** How a value and a place in it are written in a sentence for people. */

const IDENTIFIER = /^[A-Za-z_$][\w$-]{0,39}$/;
const TEXT_CHARS_MAX = 40;
/** Keys of a place that are written out; a place further down is told by its beginning. */
const PATH_KEYS_MAX = 20;

/** `inputs.rows[3].name`; a key that is no plain word is quoted: `inputs["a b"]`. A few hundred characters at most. */
export function pathText(root: string, path: readonly PropertyKey[]): string {
  let text = root;
  for (const key of path.slice(0, PATH_KEYS_MAX)) {
    if (typeof key === "string" && IDENTIFIER.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${typeof key === "string" ? quoted(key) : String(key)}]`;
  }
  return path.length > PATH_KEYS_MAX ? `${text}…` : text;
}

/** The beginning of a text, still one that can cross: a cut may halve a surrogate pair. */
export const cutText = (text: string, charsMax: number): string =>
  text.length <= charsMax ? text : text.slice(0, charsMax).toWellFormed();

/** What was got, short enough for a sentence. Never the content of an object: it may be large or private. */
export function shortText(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (typeof value === "bigint") return bigintText(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "object" || value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isPlainObject(value) ? "an object" : instanceText(value);
}

/** "an instance of Map". The class is asked for its name, which may be anything, or an error. */
export function instanceText(value: object): string {
  try {
    const { name }: { name: unknown } = (Object.getPrototypeOf(value) as object).constructor;
    if (typeof name === "string" && name !== "") return `an instance of ${name.slice(0, TEXT_CHARS_MAX)}`;
  } catch {
    // It does not let us look.
  }
  return "an instance of a class without a name";
}

/** Writing out a million digits takes a second. */
const bigintText = (value: bigint): string =>
  BigInt.asIntN(128, value) === value ? `the bigint ${value}` : "a bigint of more than 128 bits";

function quoted(text: string): string {
  return text.length <= TEXT_CHARS_MAX
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, TEXT_CHARS_MAX))}… (${text.length} characters)`;
}

/** Made by a literal, `Object.create(null)` or `JSON.parse`, in this realm or another. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
