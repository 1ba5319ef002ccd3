import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/index.ts";
import {
  MIGRATIONS,
  idsIn,
  insert,
  openKit,
  sqliteError,
  temporaryDirectory,
  watchedDriver,
} from "./store-kit.ts";
import { openSqlite } from "../../src/store/driver.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";

const reopened = (path: string) =>
  openStore({
    path,
    migrations: MIGRATIONS,
    clock: manualClock(),
    scheduler: seededScheduler({ next: () => 0 }),
  });

/** Enough rows that a copy takes many steps. */
async function openFilled(rows = 2_000) {
  const kit = openKit();
  void kit.store.write((db) => {
    for (let id = 1; id <= rows; id++) insert(id, "x".repeat(4_000))(db);
  });
  await kit.store.flush();
  return kit;
}

describe("a backup", () => {
  it("is a store with all that was committed, and with nothing that is only queued", async () => {
    const { store, write } = openKit();
    void write(insert(1));
    await store.flush();
    void write(insert(2));
    const path = join(temporaryDirectory(), "copy.db");
    const { sizeBytes } = await store.backup(path);
    expect(sizeBytes).toBe(statSync(path).size);
    await using copy = reopened(path);
    expect(idsIn(copy)).toEqual([1]);
  });

  it("is readable by its owner alone, and leaves nothing beside it", async () => {
    const { store } = await openFilled(10);
    const directory = temporaryDirectory();
    await store.backup(join(directory, "copy.db"));
    expect(readdirSync(directory)).toEqual(["copy.db"]);
    expect(statSync(join(directory, "copy.db")).mode & 0o777).toBe(0o600);
  });

  it("holds whole transactions only, although writes go on while it is made", async () => {
    const { store } = await openFilled();
    const path = join(temporaryDirectory(), "copy.db");
    const state = { made: false };
    const backup = store.backup(path).finally(() => (state.made = true));
    let last = 2_000;
    let during = 0;
    // Each transaction writes a pair.
    while (!state.made) {
      void store.write((db) => {
        insert(++last)(db);
        insert(++last)(db);
      });
      await store.flush();
      during += 1;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await backup;
    expect(during).toBeGreaterThan(0);
    await using copy = reopened(path);
    const ids = idsIn(copy);
    expect(ids.length).toBeGreaterThanOrEqual(2_000);
    expect(ids.length % 2).toBe(0);
    expect(ids).toEqual(Array.from(ids, (_, index) => index + 1));
    expect(idsIn(store)).toHaveLength(last);
  });

  it("that meets an open transaction waits for its end", async () => {
    const directory = temporaryDirectory();
    const driver = openSqlite(join(directory, "items.db"));
    driver.exec("CREATE TABLE items (id INTEGER); BEGIN IMMEDIATE; INSERT INTO items VALUES (1)");
    const copied = driver.copyTo?.(join(directory, "copy.db"));
    // Long enough for the other thread to have made its first step, many times over.
    for (let turns = 0; turns < 50; turns++) await stat(directory);
    driver.exec("COMMIT");
    await copied;
    driver.close();
    const copy = openSqlite(join(directory, "copy.db"));
    expect(copy.prepare("SELECT id FROM items").all()).toEqual([{ id: 1 }]);
    copy.close();
  });

  it("to a path that exists is refused, and what is there stays", async () => {
    const { store } = await openFilled(1);
    const path = join(temporaryDirectory(), "copy.db");
    writeFileSync(path, "mine");
    await expect(store.backup(path)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      details: { kind: "file", name: path },
    });
    expect(statSync(path).size).toBe(4);
  });

  it("to a path to which one is being made is refused, and the first is completed", async () => {
    const { store } = await openFilled(1);
    const path = join(temporaryDirectory(), "copy.db");
    const first = store.backup(path);
    await expect(store.backup(path)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(first).resolves.toMatchObject({ sizeBytes: expect.any(Number) as number });
  });

  it("overwrites what an earlier attempt left half done", async () => {
    const { store } = await openFilled(1);
    const path = join(temporaryDirectory(), "copy.db");
    writeFileSync(`${path}.part`, "half");
    await store.backup(path);
    expect(existsSync(`${path}.part`)).toBe(false);
    await using copy = reopened(path);
    expect(idsIn(copy)).toEqual([1]);
  });

  it("into a directory that is not there fails with the path, and the store works on", async () => {
    const { store } = await openFilled(1);
    const path = join(temporaryDirectory(), "missing", "copy.db");
    await expect(store.backup(path)).rejects.toMatchObject({ code: "STORE_FAILED", details: { path } });
    void store.write(insert(2));
    await store.flush();
    expect(idsIn(store)).toEqual([1, 2]);
  });

  it("that runs out of disk is refused with STORE_FULL and leaves nothing", async () => {
    const directory = temporaryDirectory();
    const { store } = openKit({
      driver: (path) => {
        mkdirSync(join(directory, "data"), { recursive: true });
        const real = openSqlite(path);
        return Object.assign(real, {
          copyTo: () => Promise.reject(sqliteError(13, "database or disk is full")),
        });
      },
      path: join(directory, "data", "items.db"),
    });
    const path = join(directory, "copy.db");
    await expect(store.backup(path)).rejects.toMatchObject({ code: "STORE_FULL", details: { path } });
    expect(readdirSync(directory)).toEqual(["data"]);
  });

  it("of a store in memory is a file like any other", async () => {
    const { store } = openKit({ durability: "memory" });
    void store.write(insert(7));
    await store.flush();
    const path = join(temporaryDirectory(), "copy.db");
    await store.backup(path);
    await using copy = reopened(path);
    expect(idsIn(copy)).toEqual([7]);
  });

  it("by a driver that makes none is refused plainly", async () => {
    const { store } = openKit({
      driver: watchedDriver(() => {}),
      path: join(temporaryDirectory(), "items.db"),
    });
    await expect(store.backup(join(temporaryDirectory(), "copy.db"))).rejects.toMatchObject({
      code: "STORE_FAILED",
    });
  });

  it("that is under way is completed before the store closes", async () => {
    const { store, path: source } = await openFilled();
    const path = join(temporaryDirectory(), "copy.db");
    const backup = store.backup(path);
    await store.close();
    await backup;
    await using copy = reopened(path);
    expect(idsIn(copy)).toHaveLength(2_000);
    await using again = reopened(source);
    expect(idsIn(again)).toHaveLength(2_000);
  });

  it("of a store that is closed is refused", async () => {
    const { store } = openKit();
    await store.close();
    await expect(store.backup(join(temporaryDirectory(), "copy.db"))).rejects.toMatchObject({
      code: "STORE_FAILED",
    });
  });
});
