import { DatabaseSync } from "node:sqlite";
import type { Driver, Statement } from "../../src/store/index.ts";

const FULL = 13;
const IO_ERROR = 10;

/**
 * Databases whose disk was disposed of, with their tables and statements: making those anew would take longer than all
 * that a life does with them.
 */
const used = new Map<string, Database[]>();

/** What it says is prepared once, also what begins and ends transactions. */
class Database {
  readonly #database = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, Statement>();
  /** Have its tables been made, and by a life that ended well? */
  isComplete = false;

  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }

  run(sql: string): void {
    this.prepare(sql).run();
  }

  /** For what is said once, or is more than one statement. */
  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** As it was when its tables were new. */
  empty(): void {
    if (this.isTransaction) this.run("ROLLBACK");
    const tables = this.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    for (const { name } of tables) this.run(`DELETE FROM "${String(name)}"`);
  }

  close(): void {
    this.#database.close();
  }
}

/**
 * A disk that outlives the processes that use it. It tells what is written from what is flushed: the death of a
 * process loses neither, a loss of power all that is not flushed.
 *
 * What is written and not flushed stands in one outer transaction, which only a flush commits; the commits of the
 * store are then savepoints in it.
 */
export class SimulatedDisk {
  readonly #database: Database;
  readonly #tables: string;
  /** False: it says that it has flushed, and has not. */
  readonly honest: boolean;
  /** Commits that will fail, and with what. */
  #failing: { left: number; errcode: number } = { left: 0, errcode: FULL };
  /** Inputs that cannot be read. */
  #unreadable = 0;
  /** Whoever has it open. */
  #owner: object | null = null;
  /** A life that is over still wanted to write. */
  ghosts = 0;
  flushes = 0;

  /** @param tables whose it has: those of one store are of no use to another */
  constructor(honest: boolean, tables = "queue") {
    this.honest = honest;
    this.#tables = tables;
    this.#database = used.get(tables)?.pop() ?? new Database();
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
    if (this.#database.isTransaction) this.#database.run("ROLLBACK");
  }

  dispose(): void {
    if (this.#database.isComplete) {
      this.#database.empty();
      used.set(this.#tables, [...(used.get(this.#tables) ?? []), this.#database]);
    } else this.#database.close();
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
    const undo = (): void => {
      database.run("ROLLBACK TO unit");
      database.run("RELEASE unit");
    };
    return {
      get isTransaction() {
        return inUnit;
      },
      exec: (sql) => {
        check();
        if (sql.startsWith("BEGIN")) {
          if (!database.isTransaction) database.run("BEGIN");
          database.run("SAVEPOINT unit");
          inUnit = true;
          writes = sql === "BEGIN IMMEDIATE";
        } else if (sql === "COMMIT") {
          if (writes) this.#refuse();
          this.#commit(flushing);
          inUnit = false;
        } else if (sql === "ROLLBACK") {
          inUnit = false;
          undo();
        } else if (!sql.startsWith("PRAGMA")) database.exec(sql);
        else if (/user_version|application_id/.test(sql)) database.exec(sql);
        else if (sql.includes("synchronous")) flushing = sql.endsWith("FULL") && this.honest;
      },
      flush: () => {
        check();
        if (this.honest) this.#flush();
      },
      prepare: (sql) => {
        check();
        if (sql === "PRAGMA journal_mode = WAL") return answering({ journal_mode: "wal" });
        if (sql.startsWith("PRAGMA wal_checkpoint")) return answering({ log: 0, checkpointed: 0 });
        if (sql.startsWith("PRAGMA quick_check")) return answering({ quick_check: "ok" });
        const statement = database.prepare(sql);
        return sql.startsWith("SELECT input") ? this.#reader(statement) : statement;
      },
      close: () => {
        if (this.#owner !== owner) return;
        this.#owner = null;
        if (inUnit) undo();
        if (!database.isTransaction) database.isComplete = true;
      },
    };
  };

  #refuse(): void {
    if (this.#failing.left === 0) return;
    this.#failing.left -= 1;
    throw sqliteError("the disk refuses", this.#failing.errcode);
  }

  #commit(flushing: boolean): void {
    this.#database.run("RELEASE unit");
    if (flushing) this.#flush();
  }

  #flush(): void {
    this.flushes += 1;
    if (this.#database.isTransaction) this.#database.run("COMMIT");
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
