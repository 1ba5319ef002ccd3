import type { Queries } from "./statements.ts";

/** A table with a whole-number key, and those of its columns that are looked through: bytes or null. */
export interface LookedThrough {
  readonly table: string;
  readonly key: string;
  readonly columns: readonly string[];
}

/** Where a look through tables goes on: in which of them, and behind which key. */
export interface LookPlace {
  readonly table: number;
  readonly after: number;
}

/** From the first row of the first table; keys are above 0. */
export const LOOK_START: LookPlace = { table: 0, after: 0 };

export interface MarkedRows {
  /** The bytes that hold the mark. */
  readonly found: readonly Uint8Array[];
  /** Null: there is no more. */
  readonly next: LookPlace | null;
}

/** What a slice ends after: a millisecond or two of its owner's time. */
const SLICE_ROWS = 512;
const SLICE_BYTES = 1_048_576;

/**
 * One slice of a look through tables for bytes that hold `mark`. A whole look goes through the tables in the order given
 * and through each by its key, upwards; so what is copied meanwhile from a row to one of a higher key is not missed,
 * even if the first is deleted. SQLite itself looks, so that rows without the mark never reach JavaScript.
 */
export function markedRows(
  db: Queries,
  tables: readonly LookedThrough[],
  mark: Uint8Array,
  { table: at, after }: LookPlace,
): MarkedRows {
  const looked = tables[at];
  if (looked === undefined) return { found: [], next: null };
  const { table, key, columns } = looked;
  const size = columns.map((column) => `coalesce(length(${column}), 0)`).join(" + ");
  // The length of bytes is read without the bytes.
  const sizes = `SELECT ${key} AS key, ${size} AS size FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ${SLICE_ROWS}`;
  const rows = db.prepare<{ key: number; size: number }>(sizes).all(after);
  if (rows.length === 0) {
    const next = { table: at + 1, after: 0 };
    return { found: [], next: next.table < tables.length ? next : null };
  }
  let last = after;
  let bytes = 0;
  for (const row of rows) {
    last = row.key;
    bytes += row.size;
    if (bytes >= SLICE_BYTES) break;
  }
  const isMarked = columns.map((column) => `instr(${column}, ?3)`).join(" OR ");
  const bytesOf = columns.map((column) => `${table}.${column}`).join(", ");
  const marked = `SELECT ${bytesOf} FROM ${table} WHERE ${key} > ?1 AND ${key} <= ?2 AND (${isMarked})`;
  const found = db
    .prepare<Record<string, Uint8Array | null>>(marked)
    .all(after, last, mark)
    .flatMap((row) => Object.values(row).filter((value) => value !== null));
  return { found, next: { table: at, after: last } };
}
