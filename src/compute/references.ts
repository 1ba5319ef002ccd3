import { LIMITS, fault, isFault } from "../errors/index.ts";
import { Reference, addressesInPieces, unpackValue } from "../codec/index.ts";
import { ownMember } from "../schema/index.ts";
import type { BlobStore } from "../store/index.ts";

/**
 * Puts the values that references stand for in their places, also where a stored value holds references itself. A
 * value that several references name is read once, and its parts are then shared: handlers treat inputs as theirs to
 * read.
 *
 * @param what names the owner of the value in errors: a task's id
 * @throws REFERENCE_MISSING when a stored value has no such part; BLOB_MISSING, BLOB_CORRUPT
 */
export async function resolveReferences(
  value: unknown,
  blobs: Pick<BlobStore, "get"> | null,
  what: string,
): Promise<unknown> {
  const stored = new Map<string, unknown>();
  for (let wanted = referencesIn(value); wanted.size > 0;) {
    const next = new Set<string>();
    for (const sha256 of wanted) {
      if (blobs === null) throw fault("BLOB_MISSING", { sha256 });
      const content = unpackValue(await blobs.get(sha256));
      stored.set(sha256, content);
      for (const inner of referencesIn(content)) next.add(inner);
    }
    wanted = next.difference(stored);
  }
  if (stored.size === 0) return value;

  // By content address nothing can contain itself, so this ends; each stored value is filled in once.
  const filled = new Map<string, unknown>();
  const contentOf = (sha256: string): unknown => {
    if (!filled.has(sha256)) filled.set(sha256, replaceReferences(stored.get(sha256), partOf));
    return filled.get(sha256);
  };
  const partOf = (reference: Reference): unknown => walk(contentOf(reference.sha256), reference, what);
  return replaceReferences(value, partOf);
}

/**
 * The same value with each reference replaced. What holds none is not copied. Deeper than a wire value may be, it
 * leaves things as they are, which also ends it on a cycle.
 */
export function replaceReferences(
  value: unknown,
  replace: (reference: Reference) => unknown,
  depth = 0,
): unknown {
  if (value instanceof Reference) return replace(value);
  if (typeof value !== "object" || value === null || depth > LIMITS.schema.wireDepth) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => replaceReferences(item, replace, depth + 1));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (!isRecord(value)) return value;
  let copy: Record<string, unknown> | null = null;
  for (const [key, field] of Object.entries(value)) {
    const replaced = replaceReferences(field, replace, depth + 1);
    if (replaced === field) continue;
    copy ??= { ...value };
    copy[key] = replaced;
  }
  return copy ?? value;
}

export function holdsReference(value: unknown): boolean {
  return referencesIn(value).size > 0;
}

/** Of the blobs that references stand for. */
export const addressesOf = (references: readonly Reference[]): ReadonlySet<string> =>
  new Set(references.map(({ sha256 }) => sha256));

/**
 * Makes values young, and whatever they refer to in their turn, so that none of them is collected before a row names
 * them.
 *
 * @throws BLOB_MISSING when one of the addresses leads to nothing; INVALID_ARGUMENT when it is none; FILE_UNREADABLE,
 *   STORE_FULL, STORE_FAILED
 */
export async function touchValues(
  addresses: Iterable<string>,
  blobs: Pick<BlobStore, "touch" | "pieces">,
): Promise<void> {
  const wanted = new Set(addresses);
  const all = new Set(wanted);
  // All that takes its time comes first; it grows while it is gone through.
  for (const address of all) {
    const inner = await unlessMissing(addressesInPieces(blobs.pieces(address)), wanted.has(address));
    for (const each of inner ?? []) all.add(each);
  }
  for (const address of all) await unlessMissing(blobs.touch(address), wanted.has(address));
}

/** Null for a value that is not there, unless it must be: within a value, what looks like a reference may be none. */
async function unlessMissing<T>(done: Promise<T>, mustBeThere: boolean): Promise<T | null> {
  try {
    return await done;
  } catch (error) {
    if (mustBeThere || !isFault(error, "BLOB_MISSING")) throw error;
    return null;
  }
}

function referencesIn(value: unknown): ReadonlySet<string> {
  const found: Reference[] = [];
  replaceReferences(value, (reference) => found.push(reference));
  return addressesOf(found);
}

/** Members of the value as data only: a path must not reach what objects inherit. */
function walk(root: unknown, reference: Reference, what: string): unknown {
  let at = root;
  for (const [depth, key] of reference.path.entries()) {
    const found = ownMember(at, key);
    if (found === undefined) {
      const place = depth === 0 ? "the stored value" : textOf(reference.path.slice(0, depth));
      throw fault("REFERENCE_MISSING", {
        step: what,
        reference: `${reference.sha256.slice(0, 12)}…${textOf(reference.path)}`,
        why: `${place} has no ${JSON.stringify(key)}`,
      });
    }
    at = found.value;
  }
  return at;
}

const textOf = (path: Reference["path"]): string =>
  path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");

function isRecord(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || prototype === Object.prototype;
}
