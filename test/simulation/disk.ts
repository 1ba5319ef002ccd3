import { DatabaseSync } from "node:sqlite";
import type { Driver, Statement } from "../../src/store/index.ts";

const FULL = 13;
const IO_ERROR = 10;

/** A database with its tables, so that not every disk has to migrate its own. */
let template: Uint8Array | null = null;

/**
 * A disk that outlives the processes that use it. It tells what is written from what is flushed: the death of a
 * process loses neither, a loss of power all that is not flushed.
 *
 * What is written and not flushed stands in one outer transaction, which only a flush commits; the commits of the
 * store are then savepoints in it.
 */
export class SimulatedDisk {
  readonly #database = new DatabaseSync(":memory:");
  /** False: it says that it has flushed, and has not. */
  readonly honest: boolean;
  /** Commits that will fail, and with what. */
  #failing: { left: number; errcode: number } = { left: 0, errcode: FULL };
  /** Inputs that cannot be read. */
  #unreadable = 0;
  /** Whoever has it open. */
  #owner: object | null = null;
  /** By their texts, for all lives: making them anew would take longer than all that they do. */
  readonly #statements = new Map<string, Statement>();
  /** A life that is over still wanted to write. */
  ghosts = 0;
  flushes = 0;

  constructor(honest: boolean) {
    this.honest = honest;
    if (template !== null) this.#database.deserialize(template);
  }

  fill(commits: number): void {
    this.#failing = { left: commits, errcode: FULL };
  }

  fail(commits: number): void {
    this.#failing = { left: commits, errcode: IO_ERROR };
  }

  hide(reads: number): void {
    this.#unreadable = reads;
  }

  mend(): void {
    this.#failing.left = 0;
    this.#unreadable = 0;
  }

  /** All that has not been flushed is gone, and whoever has the disk open is dead. */
  cutPower(): void {
    this.#owner = null;
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  dispose(): void {
    this.#database.close();
  }

  readonly driver = (_path: string): Driver => {
    const database = this.#database;
    const owner = {};
    this.#owner = owner;
    let inUnit = false;
    /** A transaction that only reads needs no room. */
    let writes = false;
    let flushing = false;
    const check = (): void => {
      if (this.#owner === owner) return;
      this.ghosts += 1;
      throw sqliteError("the disk is gone", IO_ERROR);
    };
    return {
      get isTransaction() {
        return inUnit;
      },
      exec: (sql) => {
        check();
        if (sql.startsWith("BEGIN")) {
          if (!database.isTransaction) database.exec("BEGIN");
          database.exec("SAVEPOINT unit");
          inUnit = true;
          writes = sql === "BEGIN IMMEDIATE";
        } else if (sql === "COMMIT") {
          if (writes) this.#refuse();
          this.#commit(flushing);
          inUnit = false;
        } else if (sql === "ROLLBACK") {
          inUnit = false;
          database.exec("ROLLBACK TO unit; RELEASE unit");
        } else if (!sql.startsWith("PRAGMA")) database.exec(sql);
        else if (/user_version|application_id/.test(sql)) database.exec(sql);
        else if (sql.includes("synchronous")) flushing = sql.endsWith("FULL") && this.honest;
      },
      prepare: (sql) => {
        check();
        if (sql === "PRAGMA journal_mode = WAL") return answering({ journal_mode: "wal" });
        if (sql.startsWith("PRAGMA wal_checkpoint")) return answering({ log: 0, checkpointed: 0 });
        if (sql.startsWith("PRAGMA quick_check")) return answering({ quick_check: "ok" });
        let statement = this.#statements.get(sql);
        if (!statement) {
          const made = database.prepare(sql);
          statement = sql.startsWith("SELECT input") ? this.#reader(made) : made;
          this.#statements.set(sql, statement);
        }
        return statement;
      },
      close: () => {
        if (this.#owner !== owner) return;
        this.#owner = null;
        if (inUnit) database.exec("ROLLBACK TO unit; RELEASE unit");
        if (flushing && template === null && !database.isTransaction) template = emptied(database);
      },
    };
  };

  #refuse(): void {
    if (this.#failing.left === 0) return;
    this.#failing.left -= 1;
    throw sqliteError("the disk refuses", this.#failing.errcode);
  }

  #commit(flushing: boolean): void {
    this.#database.exec("RELEASE unit");
    if (!flushing) return;
    this.flushes += 1;
    this.#database.exec("COMMIT");
  }

  #reader(statement: Statement): Statement {
    return Object.assign(Object.create(statement) as Statement, {
      get: (...values: number[]) => {
        if (this.#unreadable > 0) {
          this.#unreadable -= 1;
          throw sqliteError("disk I/O error", IO_ERROR);
        }
        return statement.get(...values);
      },
    });
  }
}

const sqliteError = (message: string, errcode: number): Error =>
  Object.assign(new Error(message), { errcode });

/** A statement whose one row is known. */
function answering(row: Record<string, string | number>): Statement {
  return { get: () => row, all: () => [row] } as unknown as Statement;
}

function emptied(database: DatabaseSync): Uint8Array {
  const copy = new DatabaseSync(":memory:");
  copy.deserialize(database.serialize());
  const tables = copy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as {
    name: string;
  }[];
  for (const { name } of tables) copy.exec(`DELETE FROM "${name}"`);
  const empty = copy.serialize();
  copy.close();
  return empty;
}
