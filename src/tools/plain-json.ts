/**
 * A copy of a value as JSON would hand it on: without what JSON leaves out, and with a word for what it has none for: large
 * whole numbers as digits, NaN and infinities by their names, bytes as base64, references by their hash. Written to text and
 * read again it would be the same, for many times the price.
 */
export const plainJson = <T>(value: T): T => plain(value, "") as T;

function plain(value: unknown, key: string): unknown {
  if (typeof value === "object") return value === null ? null : plainObject(value, key);
  // Plus zero, since JSON knows no other.
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : String(value);
  if (typeof value === "bigint") return String(value);
  return typeof value === "function" || typeof value === "symbol" ? undefined : value;
}

function plainObject(value: object, key: string): unknown {
  if (hasOwnForm(value)) {
    const told = value.toJSON(key);
    // What speaks for itself is asked once.
    return typeof told === "object" && told !== null ? plainMembers(told) : plain(told, key);
  }
  return plainMembers(value);
}

const hasOwnForm = (value: object): value is { toJSON: (key: string) => unknown } =>
  "toJSON" in value && typeof value.toJSON === "function";

function plainMembers(value: object): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return Array.from(value, (item, at) => plain(item, String(at)) ?? null);
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    const kept = plain(member, key);
    if (kept === undefined) continue;
    // Assigned to, it would change what the copy inherits from.
    if (key === "__proto__")
      Object.defineProperty(copy, key, { value: kept, enumerable: true, configurable: true, writable: true });
    else copy[key] = kept;
  }
  return copy;
}
