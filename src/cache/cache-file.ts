import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { ActorContext, Members } from "../actor/index.ts";
import { REFERENCE_MARK, addressesIn } from "../codec/index.ts";
import { fault, sentenceOf } from "../errors/index.ts";
import {
  markedRows,
  openStore,
  type Durability,
  type LookPlace,
  type LookedThrough,
  type Store,
} from "../store/index.ts";
import type { CacheChange, CacheEntry } from "./cache.core.ts";

/** Rows read at a time when the file is opened. */
export const ROWS_PER_READ = 1_000;

/**
 * Rows stand by their id, which is the order of storing: an index by key would turn every insert into a random write,
 * and the keys are all in memory. The value comes last, so that reading the other columns never touches the pages it
 * overflows to.
 */
export const CACHE_MIGRATIONS: readonly string[] = [
  `CREATE TABLE entries (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     stored_at_ms REAL NOT NULL,
     expires_at_ms REAL NOT NULL,
     checksum INTEGER NOT NULL,
     value BLOB NOT NULL
   ) STRICT`,
  // Columns cannot be put before the value, so the rows move to a table that has them there.
  `CREATE TABLE entries_2 (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     stored_at_ms REAL NOT NULL,
     expires_at_ms REAL NOT NULL,
     leaves_at_ms REAL NOT NULL,
     negative INTEGER NOT NULL,
     tags TEXT NOT NULL,
     checksum INTEGER NOT NULL,
     value BLOB NOT NULL
   ) STRICT;
   INSERT INTO entries_2
     SELECT id, key, stored_at_ms, expires_at_ms, expires_at_ms, 0, '', checksum, value FROM entries;
   DROP TABLE entries;
   ALTER TABLE entries_2 RENAME TO entries`,
];

/** Where rows name large values. */
const NAMING: readonly LookedThrough[] = [{ table: "entries", key: "id", columns: ["value"] }];

const FILE_NAME = "cache.sqlite";
/** A second damaged file takes the place of the first: what is kept as evidence is bounded too. */
const DAMAGED_NAME = `${FILE_NAME}.damaged`;
/** What SQLite keeps beside a database. A log without its file would be taken for that of the new one. */
const COMPANIONS = ["", "-wal", "-shm"];

interface EntryRow extends Omit<CacheEntry, "negative" | "tags"> {
  readonly negative: number;
  /** One per line. */
  readonly tags: string;
}

/** What the store takes from the actor that opens it. */
export type CachePlace = Pick<ActorContext<Members>, "clock" | "scheduler" | "metrics" | "log">;

/**
 * The rows of the cache.
 *
 * @see {@link openStore} for what opening throws
 */
export class CacheFile {
  readonly #store: Store;

  /** @param directory null: in memory, with the same behaviour and nothing kept */
  constructor(directory: string | null, { clock, scheduler, metrics, log }: CachePlace) {
    this.#store = openStore({
      path: directory === null ? FILE_NAME : join(directory, FILE_NAME),
      migrations: CACHE_MIGRATIONS,
      durability: directory === null ? "memory" : "committed",
      clock,
      scheduler,
      metrics,
      log,
    });
  }

  get path(): string {
    return this.#store.path;
  }

  get durability(): Durability {
    return this.#store.durability;
  }

  /** All entries, oldest first, a block of rows at a time. */
  *entries(): Generator<CacheEntry> {
    for (
      let afterId = 0, block = this.#entriesAfter(afterId);
      block.length > 0;
      block = this.#entriesAfter(afterId)
    ) {
      yield* block;
      afterId = block.at(-1)?.id ?? afterId;
    }
  }

  #entriesAfter(id: number): CacheEntry[] {
    const rows = this.#store.read((db) =>
      db
        .prepare<EntryRow>(
          `SELECT id, key, length(value) AS sizeBytes, stored_at_ms AS storedAtMs, expires_at_ms AS expiresAtMs,
             leaves_at_ms AS leavesAtMs, negative, tags
           FROM entries WHERE id > ? ORDER BY id LIMIT ${ROWS_PER_READ}`,
        )
        .all(id),
    );
    return rows.map((row) => ({ ...row, negative: row.negative !== 0, tags: tagsOf(row.tags) }));
  }

  /**
   * The stored value; undefined when the row is gone or its checksum tells that it has changed.
   *
   * @throws STORE_CORRUPT, FILE_UNREADABLE
   */
  valueOf(entry: CacheEntry): Uint8Array | undefined {
    const row = this.#store.read((db) =>
      db
        .prepare<{ checksum: number; value: Uint8Array }>("SELECT checksum, value FROM entries WHERE id = ?")
        .get(entry.id),
    );
    return row !== undefined && row.checksum === checksumOf(entry, row.value) ? row.value : undefined;
  }

  /**
   * Resolves when the change is committed; when it is not, `undo` has run.
   *
   * @param value of the entry that the change adds
   */
  write({ added, dropped }: CacheChange, value: Uint8Array | undefined, undo: () => void): Promise<void> {
    return this.#store.write((db) => {
      const remove = db.prepare("DELETE FROM entries WHERE id = ?");
      for (const { entry } of dropped) remove.run(entry.id);
      if (added === undefined || value === undefined) return;
      db.prepare(
        `INSERT INTO entries
           (id, key, stored_at_ms, expires_at_ms, leaves_at_ms, negative, tags, checksum, value)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ).run(
        added.id,
        added.key,
        added.storedAtMs,
        added.expiresAtMs,
        added.leavesAtMs,
        Number(added.negative),
        added.tags.join("\n"),
        checksumOf(added, value),
        value,
      );
    }, undo);
  }

  /** Removes every row: without a condition SQLite drops whole pages instead of rows. */
  clear(undo: () => void): Promise<void> {
    return this.#store.write((db) => void db.prepare("DELETE FROM entries").run(), undo);
  }

  /** Addresses of the large values that a part of the entries names, and where the next part begins. */
  async references(from: LookPlace): Promise<{ addresses: string[]; next: LookPlace | null }> {
    // What is on its way here is an entry already.
    await this.#store.flush();
    const { found, next } = this.#store.read((db) => markedRows(db, NAMING, REFERENCE_MARK, from));
    return { addresses: found.flatMap(addressesIn), next };
  }

  /** @see Store.backup */
  backup(path: string): Promise<{ sizeBytes: number }> {
    return this.#store.backup(path);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  abandon(): void {
    this.#store.abandon();
  }
}

/**
 * Puts a damaged file and its log out of the way. It must be closed: closing deletes a log by its name.
 *
 * @returns where it is now
 * @throws FILE_UNWRITABLE
 */
export function setAside(directory: string): string {
  const path = join(directory, FILE_NAME);
  const damaged = join(directory, DAMAGED_NAME);
  try {
    for (const companion of COMPANIONS) {
      rmSync(damaged + companion, { force: true });
      if (existsSync(path + companion)) renameSync(path + companion, damaged + companion);
    }
  } catch (error) {
    throw fault("FILE_UNWRITABLE", { path, why: sentenceOf(error) }, { cause: error });
  }
  return damaged;
}

const tagsOf = (text: string): string[] => (text === "" ? [] : text.split("\n"));

/**
 * Over key, tags and value, so that a value under the wrong key is found too. It tells damage, not malice. The first
 * version of the file had no tags, and none change nothing.
 */
function checksumOf({ key, tags, negative }: CacheEntry, value: Uint8Array): number {
  const named = tags.length === 0 && !negative ? key : `${key}${tags.join("\n")}${negative ? "-" : ""}`;
  return crc32(value, crc32(named));
}
