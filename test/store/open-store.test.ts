import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import { openStore, type StoreOptions } from "../../src/store/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import {
  MIGRATIONS,
  idsIn,
  insert,
  openKit,
  sqliteError,
  temporaryDirectory,
  watchedDriver,
} from "./store-kit.ts";

const DOOR = new URL("../../src/store/index.ts", import.meta.url).href;
const SCOPE_DOOR = new URL("../../src/scope/index.ts", import.meta.url).href;

const opening = (options: Partial<StoreOptions>) => () => {
  const store = openStore({
    path: join(temporaryDirectory(), "items.db"),
    migrations: MIGRATIONS,
    clock: systemClock,
    scheduler: systemScheduler,
    ...options,
  });
  onTestFinished(() => store.close());
  return store;
};

const refusal = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });

/** A store with some rows, closed properly. */
async function filledStore(rows = 200): Promise<string> {
  const { store, path } = openKit();
  for (let id = 0; id < rows; id++) void store.write(insert(id, "content ".repeat(50)));
  await store.close();
  return path;
}

describe("a store that is opened", () => {
  it("makes its directory and file, for nobody but the user", () => {
    const { path } = openKit();
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });

  it.each([
    // The store flushes by itself, apart from the commit.
    ["flushed", { journal: "wal", synchronous: 1 }],
    ["committed", { journal: "wal", synchronous: 1 }],
    ["memory", { journal: "memory", synchronous: 2 }],
  ] as const)("with level %s has the settings that the level needs", (durability, expected) => {
    const { store } = openKit({ durability });
    const pragma = (name: string): unknown =>
      Object.values(store.read((db) => db.prepare(`PRAGMA ${name}`).get()) ?? {})[0];
    expect({ journal: pragma("journal_mode"), synchronous: pragma("synchronous") }).toEqual(expected);
    expect(store.durability).toBe(durability);
    if (durability !== "memory") expect(pragma("wal_autocheckpoint")).toBe(0);
  });

  it("has no log when the file system allows none", () => {
    const driver = watchedDriver(() => {});
    const withoutWal = (path: string) => {
      const real = driver(path);
      return {
        ...real,
        isTransaction: false,
        prepare: (sql: string) => real.prepare(sql.replace("= WAL", "= DELETE")),
      };
    };
    expect(opening({ driver: withoutWal })).toThrow(
      refusal("STORE_FAILED", /does not allow a write-ahead log \(delete\)/),
    );
  });
});

describe("a second owner", () => {
  it("in the same process is refused while the first is there, and welcome afterwards", async () => {
    const { store, path } = openKit();
    expect(opening({ path })).toThrow(
      refusal("STORE_OWNED", new RegExp(`another part of this process \\(${process.pid}\\)`)),
    );
    await store.close();
    expect(opening({ path })).not.toThrow();
  });

  it("in another thread is refused", async () => {
    const { path } = openKit();
    const worker = new Worker(
      `const { workerData, parentPort } = require("node:worker_threads");
       Promise.all([import(${JSON.stringify(DOOR)}), import(${JSON.stringify(SCOPE_DOOR)})]).then(([{ openStore }, scope]) => {
         try {
           openStore({ path: workerData, migrations: [], clock: scope.systemClock, scheduler: scope.systemScheduler });
           parentPort.postMessage("opened");
         } catch (error) {
           parentPort.postMessage(error.code);
         }
       });`,
      { eval: true, workerData: path },
    );
    const [answer] = (await once(worker, "message")) as [string];
    await worker.terminate();
    expect(answer).toBe("STORE_OWNED");
  });

  it("that was refused in the owner's process has not opened the file for other processes", () => {
    const { path } = openKit();
    expect(opening({ path })).toThrow(refusal("STORE_OWNED", /another part of this process/));
    const script = `
      const [{ openStore }, scope] = await Promise.all([import(${JSON.stringify(DOOR)}), import(${JSON.stringify(SCOPE_DOOR)})]);
      try {
        openStore({ path: ${JSON.stringify(path)}, migrations: [], clock: scope.systemClock, scheduler: scope.systemScheduler });
      } catch (error) {
        process.stdout.write(error.code);
      }`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
    expect(String(stdout)).toBe("STORE_OWNED");
  });

  it("is told which process is the first", async () => {
    const path = join(temporaryDirectory(), "items.db");
    const script = `
      const [{ openStore }, scope] = await Promise.all([import(${JSON.stringify(DOOR)}), import(${JSON.stringify(SCOPE_DOOR)})]);
      openStore({ path: ${JSON.stringify(path)}, migrations: [], clock: scope.systemClock, scheduler: scope.systemScheduler });
      process.stdout.write("open");
      setInterval(() => {}, 1_000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    expect(opening({ path })).toThrow(refusal("STORE_OWNED", new RegExp(`process ${child.pid}$`)));
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(existsSync(`${path}.owner`)).toBe(true);
    expect(opening({ path })).not.toThrow();
    expect(readFileSync(`${path}.owner`, "utf8")).toBe(`${process.pid}\n`);
  });

  it.each([
    ["is missing", undefined],
    ["says nothing", "x"],
  ])("is refused also when the note of the owner %s", (_, note) => {
    const path = join(temporaryDirectory(), "items.db");
    const holder = new DatabaseSync(path);
    holder.exec("BEGIN EXCLUSIVE");
    if (note !== undefined) writeFileSync(`${path}.owner`, note);
    expect(opening({ path })).toThrow(refusal("STORE_OWNED", /in use by another process/));
    holder.close();
  });
});

describe("migrations", () => {
  const GROWN = [
    ...MIGRATIONS,
    "ALTER TABLE items ADD COLUMN weight INTEGER DEFAULT 5; CREATE INDEX heavy ON items (weight);",
  ];

  it("are applied once, in order, and the data stays", async () => {
    const lines: string[] = [];
    const log = createLog({
      component: "store",
      clock: { wallNow: () => 0 },
      sink: (line) => lines.push(line),
    });
    const path = await filledStore(3);
    const { store } = openKit({ path, migrations: GROWN, log });
    expect(store.read((db) => db.prepare("SELECT sum(weight) AS sum FROM items").get()?.["sum"])).toBe(15);
    await store.close();
    await openKit({ path, migrations: GROWN, log }).store.close();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"from":1,"to":2');
  });

  it("that fail change nothing, and are tried again at the next opening", async () => {
    const path = await filledStore(3);
    const broken = [...MIGRATIONS, "CREATE TABLE more (a); INSERT INTO nowhere VALUES (1);"];
    expect(opening({ path, migrations: broken })).toThrow(refusal("STORE_FAILED", /no such table: nowhere/));
    const { store } = openKit({ path, migrations: GROWN });
    expect(
      store.read(
        (db) => db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'more'").get()?.["n"],
      ),
    ).toBe(0);
    expect(idsIn(store)).toEqual([0, 1, 2]);
  });

  it("of a new file that fail do not make it a foreign one", () => {
    const path = join(temporaryDirectory(), "items.db");
    expect(opening({ path, migrations: ["nonsense"] })).toThrow(refusal("STORE_FAILED", /syntax error/));
    expect(opening({ path })).not.toThrow();
  });

  it("of a newer version are refused, and the file stays as it is", async () => {
    const { store, path } = openKit({ migrations: GROWN });
    await store.close();
    const before = readFileSync(path);
    expect(opening({ path })).toThrow(refusal("STORE_NEWER", /has format 2; this version reads up to 1/));
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe("a file that is damaged", () => {
  it("in its header is refused, and stays as it is", async () => {
    const path = await filledStore();
    const bytes = readFileSync(path);
    bytes.write("no database", 0);
    writeFileSync(path, bytes);
    expect(opening({ path })).toThrow(refusal("STORE_CORRUPT", /file is not a database/));
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("by truncation is refused", async () => {
    const path = await filledStore();
    truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
    expect(opening({ path })).toThrow(refusal("STORE_CORRUPT", /./));
  });

  it("within its pages is refused by the check at opening", async () => {
    const path = await filledStore();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 3 * 4096, 4 * 4096);
    writeFileSync(path, bytes);
    expect(opening({ path })).toThrow(refusal("STORE_CORRUPT", /./));
  });

  it("where only its owner reads, is found by the owner in a large file, and by the check in every other table", async () => {
    const path = await filledStore();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 3 * 4096, 4 * 4096);
    writeFileSync(path, bytes);
    const large = { path, limits: { wholeCheckBytes: 0 } };
    expect(opening(large)).toThrow(refusal("STORE_CORRUPT", /./));
    const store = opening({ ...large, readWhole: ["items"] })();
    const read = (): unknown => store.read((db) => db.prepare("SELECT id, text FROM items").all());
    expect(read).toThrow(refusal("STORE_CORRUPT", /./));
  });

  it("is released again, so that it can be repaired", async () => {
    const path = await filledStore();
    const good = readFileSync(path);
    writeFileSync(path, "no database at all ".repeat(100));
    expect(opening({ path })).toThrow(refusal("STORE_CORRUPT", /./));
    writeFileSync(path, good);
    expect(opening({ path })).not.toThrow();
  });
});

describe("a file of another program", () => {
  it("is refused and not changed", () => {
    const path = join(temporaryDirectory(), "theirs.db");
    const theirs = new DatabaseSync(path);
    theirs.exec("CREATE TABLE theirs (a)");
    theirs.close();
    const before = readFileSync(path);
    expect(opening({ path })).toThrow(refusal("STORE_CORRUPT", /it is a database of another program/));
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe("a place that cannot be written", () => {
  it("is refused when the directory cannot be made", () => {
    const blocked = join(temporaryDirectory(), "file");
    writeFileSync(blocked, "");
    expect(opening({ path: join(blocked, "items.db") })).toThrow(
      refusal("STORE_FAILED", /could not be written: E/),
    );
  });

  it("is refused when the path is a directory", () => {
    const path = join(temporaryDirectory(), "items.db");
    mkdirSync(path);
    expect(opening({ path })).toThrow(refusal("STORE_FAILED", /EISDIR/));
  });

  it("fails each batch when the file is read-only, and can be read all the same", async () => {
    const path = await filledStore(2);
    const { store, turns, write } = openKit({
      path,
      driver: watchedDriver((sql) => {
        if (sql === "BEGIN IMMEDIATE") throw sqliteError(8, "attempt to write a readonly database");
      }),
    });
    const written = write(insert(9));
    await turns.runAll();
    await expect(written).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(idsIn(store)).toEqual([0, 1]);
  });

  it("is refused as full when there is no room for the first table", () => {
    const driver = watchedDriver((sql) => {
      if (sql.startsWith("CREATE TABLE")) throw sqliteError(13, "database or disk is full");
    });
    expect(opening({ driver })).toThrow(refusal("STORE_FULL", /the disk is full/));
  });
});
