import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { idsIn, insert, openKit, sqliteError, temporaryDirectory, watchedDriver } from "./store-kit.ts";

const DOOR = new URL("../../src/store/index.ts", import.meta.url).href;
const SCOPE_DOOR = new URL("../../src/scope/index.ts", import.meta.url).href;

describe("an acknowledged write", () => {
  it("survives the SIGKILL of the process that acknowledged it", async () => {
    const path = join(temporaryDirectory(), "items.db");
    const script = `
      const [{ openStore }, scope] = await Promise.all([import(${JSON.stringify(DOOR)}), import(${JSON.stringify(SCOPE_DOOR)})]);
      const { writeSync } = await import("node:fs");
      const store = openStore({
        path: ${JSON.stringify(path)},
        migrations: ["CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"],
        clock: scope.systemClock,
        scheduler: scope.systemScheduler,
      });
      for (let id = 1; ; id += 2) {
        const put = (id) => store.write((db) => void db.prepare("INSERT INTO items VALUES (?, 'x')").run(id));
        await Promise.all([put(id), put(id + 1)]);
        writeSync(1, id + "," + (id + 1) + ",");
      }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    let said = "";
    for await (const chunk of child.stdout) {
      said += String(chunk);
      // Killed in the middle of its work; what it said before it died still arrives.
      if (said.length > 400) child.kill("SIGKILL");
    }
    expect(await exited).toEqual([null, "SIGKILL"]);

    // The last number may have been cut short on its way.
    const acknowledged = said.split(",").slice(0, -1).map(Number);
    expect(acknowledged.length).toBeGreaterThan(100);
    const { store } = openKit({ path });
    const kept = new Set(idsIn(store));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    // Both units of a turn are there, or none.
    expect(kept.size % 2).toBe(0);
  });

  it("is acknowledged only after the COMMIT that flushes has returned", async () => {
    const events: string[] = [];
    const { store, turns } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver((sql, database) => {
        if (!/^(BEGIN|COMMIT)/.test(sql)) return;
        const { synchronous } = database.prepare("PRAGMA synchronous").get() ?? {};
        events.push(sql === "COMMIT" ? `COMMIT, synchronous=${String(synchronous)}` : sql);
      }),
    });
    events.length = 0;
    const writes = [1, 2].map((id) =>
      store
        .write((db) => {
          events.push(`run ${id}`);
          insert(id)(db);
        })
        .then(() => events.push(`acknowledged ${id}`)),
    );
    await turns.runAll();
    await Promise.all(writes);
    expect(events).toEqual([
      "BEGIN IMMEDIATE",
      "run 1",
      "run 2",
      "COMMIT, synchronous=2",
      "acknowledged 1",
      "acknowledged 2",
    ]);
  });

  it("is acknowledged only after its flush, where the driver flushes apart, and what it allows begins before that", async () => {
    const events: string[] = [];
    const { store, turns } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver(
        (sql, database) => {
          const { synchronous } = database.prepare("PRAGMA synchronous").get() ?? {};
          if (sql === "COMMIT") events.push(`COMMIT, synchronous=${String(synchronous)}`);
        },
        () => events.push("flush"),
      ),
    });
    events.length = 0;
    const writes = [1, 2].map((id) =>
      store
        .write(insert(id), undefined, () => events.push(`committed ${id}`))
        .then(() => events.push(`acknowledged ${id}`)),
    );
    await turns.step();
    expect(events).toEqual(["COMMIT, synchronous=1", "committed 1", "committed 2"]);
    await turns.runAll();
    await Promise.all(writes);
    expect(events.slice(3)).toEqual(["flush", "acknowledged 1", "acknowledged 2"]);
  });

  it("of an earlier owner that was not flushed is flushed before anybody is told of it", () => {
    const events: string[] = [];
    const driver = watchedDriver(
      () => undefined,
      () => events.push("flush"),
    );
    const { store } = openKit({ path: join(temporaryDirectory(), "items.db"), driver });
    events.push("opened");
    expect(idsIn(store)).toEqual([]);
    expect(events).toEqual(["flush", "opened"]);
  });

  it("whose flush fails at the opening is not opened", () => {
    const driver = watchedDriver(
      () => undefined,
      () => {
        throw sqliteError(10, "disk I/O error");
      },
    );
    const path = join(temporaryDirectory(), "items.db");
    expect(() => openKit({ path, driver })).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
  });

  it("is never taken for kept when its flush fails: the store is given up, and its thread with it", async () => {
    let isBroken = false;
    const { store, turns, write, path } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver(
        () => undefined,
        () => {
          if (isBroken) throw Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
        },
      ),
    });
    const kept = write(insert(1));
    await turns.runAll();
    await kept;
    isBroken = true;
    let undone = 0;
    const lost = write(insert(2), () => (undone += 1));
    await turns.step();
    const behind = write(insert(3), () => (undone += 1));
    await expect(turns.step()).rejects.toThrow("what a flush has left behind is unknown");
    await expect(lost).rejects.toMatchObject({ code: "STORE_FAILED" });
    await expect(behind).rejects.toMatchObject({ code: "STORE_FAILED" });
    await expect(store.write(insert(4))).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(undone, "memory is given up as a whole").toBe(0);
    const { store: next } = openKit({ path });
    expect(idsIn(next)).toContain(1);
    expect(idsIn(next)).not.toContain(3);
  });

  it("is not acknowledged while its COMMIT has not returned", async () => {
    let settledDuringCommit: boolean | undefined;
    let settled = false;
    const { store } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver((sql) => {
        if (sql === "COMMIT") settledDuringCommit = settled;
      }),
    });
    const write = store.write(insert(1)).then(() => (settled = true));
    await store.flush();
    await write;
    expect({ settledDuringCommit, settled }).toEqual({ settledDuringCommit: false, settled: true });
  });
});
