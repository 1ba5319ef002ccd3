import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import { openStore, type Driver, type Store, type StoreOptions } from "../../src/store/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";

export const MIGRATIONS = ["CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"];

/** A directory that is gone when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "store-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A store under a clock and turns that only the test moves. */
export function openKit(options: Partial<StoreOptions> = {}) {
  const clock = manualClock();
  const turns = seededScheduler({ next: () => 0 });
  const path = options.path ?? join(temporaryDirectory(), "data", "items.db");
  const store = openStore({ path, migrations: MIGRATIONS, clock, scheduler: turns, ...options });
  onTestFinished(() => store.close().catch(() => {}));
  /** For a write whose failure is looked at only later, when Node would call it unhandled. */
  const write: Store["write"] = (...unit) => {
    const written = store.write(...unit);
    written.catch(() => {});
    return written;
  };
  return { store, write, path, clock, turns };
}

export const insert =
  (id: number, text = "x"): Parameters<Store["write"]>[0] =>
  (db) =>
    void db.prepare("INSERT INTO items (id, text) VALUES (?, ?)").run(id, text);

export const idsIn = (store: Store): number[] =>
  store
    .read((db) => db.prepare<{ id: number }>("SELECT id FROM items ORDER BY id").all())
    .map(({ id }) => id);

/** An error as node:sqlite throws it. */
export const sqliteError = (errcode: number, message: string): Error =>
  Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode, errstr: message });

/** The real driver, with something done before each statement that is executed at once. */
export function watchedDriver(beforeExec: (sql: string, database: DatabaseSync) => void, flush?: () => void) {
  return (path: string): Driver => {
    const database = new DatabaseSync(path, { timeout: 0 });
    return {
      ...(flush === undefined ? {} : { flush }),
      exec(sql) {
        beforeExec(sql, database);
        database.exec(sql);
      },
      prepare: (sql) => database.prepare(sql),
      get isTransaction() {
        return database.isTransaction;
      },
      close: () => database.close(),
    };
  };
}
