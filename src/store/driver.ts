import { closeSync, existsSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync, backup } from "node:sqlite";
import { createDirectory } from "./create-directory.ts";
import { flushDirectoryOf } from "./file-place.ts";
import { isLocked, saysNoError } from "./store-fault.ts";

/**
 * The few methods of a database that a store needs, as `node:sqlite` has them. A simulation hands in a driver of its
 * own around the real one, and there decides what a crash loses and which commit fails.
 */
export interface Driver {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  /** True between BEGIN and its end, however it ended: SQLite rolls some failed transactions back by itself. */
  readonly isTransaction: boolean;
  /** Copies what is committed into the empty file `path`, a few pages at a time, while this thread goes on. */
  copyTo?(path: string): Promise<unknown>;
  /** Makes durable what has been committed, where that is not done by the commit. Throws the system's error. */
  flush?: () => void;
  /** Checkpoints the log into the file, if this was the last connection, and releases the lock. */
  close(): void;
}

export type SqlValue = null | number | bigint | string | Uint8Array;
export type Row = Record<string, SqlValue>;
export type NamedValues = Record<string, SqlValue>;

/** A prepared SELECT. `R` is the caller's word for the columns it names; nothing checks it. */
export interface Query<R = Row> {
  get(...values: SqlValue[]): R | undefined;
  get(named: NamedValues, ...values: SqlValue[]): R | undefined;
  all(...values: SqlValue[]): R[];
  all(named: NamedValues, ...values: SqlValue[]): R[];
  /** While it is not at its end, the log cannot be started anew: leave no iteration lying about. */
  iterate(...values: SqlValue[]): IterableIterator<R>;
  iterate(named: NamedValues, ...values: SqlValue[]): IterableIterator<R>;
}

export interface Statement<R = Row> extends Query<R> {
  run(...values: SqlValue[]): Changes;
  run(named: NamedValues, ...values: SqlValue[]): Changes;
}

export interface Changes {
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

/** Pages that are copied before the owner's thread has its next turn at the database: about a millisecond's worth. */
const COPIED_PAGES = 256;

/** Each meets a transaction with the share of time that there is one: that all do is not to be expected. */
const COPY_TRIES = 1_000;

/** The one place where the project opens a database. Nobody but the user may read the file: it holds their work. */
export function openSqlite(path: string): Driver {
  if (path !== ":memory:") createFile(path);
  // Whoever finds the file locked is not to wait on its thread: a second owner is refused, not queued.
  const database = new DatabaseSync(path, { timeout: 0 });
  return Object.assign(database, { copyTo: (to: string) => copyTo(database, to) });
}

/**
 * A copy cannot begin while a transaction is open, and this thread may open one before the copying thread has made its
 * first step. Node then gives the copy up, with an error that says there is none (`errcode` 0); nothing was copied.
 * @see https://www.sqlite.org/c3ref/backup_finish.html#sqlite3backupstep
 */
async function copyTo(database: DatabaseSync, to: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await backup(database, to, { rate: COPIED_PAGES });
      return;
    } catch (error) {
      if (tries === COPY_TRIES || !saysNoError(error)) throw error;
    }
  }
}

/** Has another connection, of this process or another, the file for itself? Looked at without changing anything. */
export function isOwned(path: string): boolean {
  try {
    withReader(path, (database) => database.prepare("SELECT count(*) FROM sqlite_schema").get());
  } catch (error) {
    return isLocked(error);
  }
  return false;
}

/** A connection that may only read moves no log into the file, whatever it finds there; nothing is changed. */
export function withReader<T>(path: string, read: (database: Pick<Driver, "prepare">) => T): T {
  const beside = [`${path}-shm`, `${path}-wal`].filter((each) => !existsSync(each));
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    try {
      return read(database);
    } finally {
      database.close();
    }
  } finally {
    for (const each of beside) rmSync(each, { force: true });
  }
}

function createFile(path: string): void {
  // To close any handle of a file gives up all locks that this process has on it: it may be the owner already.
  // See fcntl(2), and "How To Corrupt An SQLite Database File", 2.2.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return;
  createDirectory(dirname(resolve(path)), 0o700);
  closeSync(openSync(path, "a", 0o600));
  // SQLite flushes the directory for its log but not for the file itself.
  flushDirectoryOf(path);
}
