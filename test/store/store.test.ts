import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { StoreLimits } from "../../src/store/index.ts";
import { createLog, createMetricsBlock, readMetrics } from "../../src/telemetry/index.ts";
import { idsIn, insert, openKit, sqliteError, temporaryDirectory, watchedDriver } from "./store-kit.ts";

/** Whether each promise has settled by now, and how. */
async function states(promises: readonly Promise<unknown>[]): Promise<string[]> {
  const pending = Symbol("pending");
  return Promise.all(
    promises.map(async (promise) => {
      const first = await Promise.race([promise, Promise.resolve(pending)]).catch((error: unknown) => error);
      if (first === pending) return "pending";
      return first instanceof Error ? ((first as { code?: string }).code ?? first.message) : "done";
    }),
  );
}

/** Fails the next COMMIT that is reached after `arm()`, with the transaction still open, as a full disk may. */
function failingCommits(error: Error) {
  let armed = false;
  const driver = watchedDriver((sql) => {
    if (!armed || sql !== "COMMIT") return;
    armed = false;
    throw error;
  });
  return { driver, path: join(temporaryDirectory(), "items.db"), arm: () => void (armed = true) };
}

const FULL = sqliteError(13, "database or disk is full");

describe("a write", () => {
  it("waits for its turn, is seen by no read before, and resolves after the commit", async () => {
    const { store, turns } = openKit();
    const write = store.write(insert(1));
    expect(idsIn(store)).toEqual([]);
    expect(await states([write])).toEqual(["pending"]);
    await turns.runAll();
    expect(await states([write])).toEqual(["done"]);
    expect(idsIn(store)).toEqual([1]);
  });

  it("shares one transaction with all writes of its turn, in the order they were queued", async () => {
    const { store, turns } = openKit();
    const ran: number[] = [];
    const writes = [3, 1, 2].map((id) => store.write((db) => (ran.push(id), insert(id)(db))));
    expect(await turns.runAll(), "the commit and its flush").toBe(2);
    await Promise.all(writes);
    expect(ran).toEqual([3, 1, 2]);
    expect(store.stats()).toMatchObject({ commits: 1, units: 3, rows: 3, meanBatch: 3 });
  });

  it("sees within its unit what the units before it wrote", async () => {
    const { store } = openKit();
    let seen: unknown;
    void store.write(insert(1));
    const write = store.write(
      (db) => void (seen = db.prepare("SELECT count(*) AS n FROM items").get()?.["n"]),
    );
    await store.flush();
    await write;
    expect(seen).toBe(1);
  });

  it("resolves in the order of queueing", async () => {
    const { store } = openKit();
    const order: number[] = [];
    const writes = [1, 2, 3].map((id) => store.write(insert(id)).then(() => order.push(id)));
    await store.flush();
    await Promise.all(writes);
    expect(order).toEqual([1, 2, 3]);
  });

  it("beyond the size of a batch goes into the next transaction, after the flush of the one before", async () => {
    const { store, turns } = openKit({ limits: { batchUnits: 2 } });
    const writes = [1, 2, 3].map((id) => store.write(insert(id)));
    await turns.step();
    await turns.step();
    expect(await states(writes)).toEqual(["done", "done", "pending"]);
    await turns.runAll();
    expect(await states(writes)).toEqual(["done", "done", "done"]);
    expect(store.stats()).toMatchObject({ commits: 2, meanBatch: 1.5 });
  });

  it("fits a batch of exactly 1024 by default", async () => {
    const { store, turns } = openKit({ durability: "memory" });
    for (let id = 0; id < 1_025; id++) void store.write(insert(id));
    await turns.step();
    expect(store.stats()).toMatchObject({ commits: 1, units: 1_024 });
    await turns.runAll();
    expect(store.stats()).toMatchObject({ commits: 2, units: 1_025 });
  });

  it("takes named values, bytes and big integers, and gives typed rows", async () => {
    const { store } = openKit({ migrations: ["CREATE TABLE t (a INTEGER, b BLOB)"] });
    const write = store.write((db) => {
      const { changes, lastInsertRowid } = db
        .prepare("INSERT INTO t VALUES (:a, :b)")
        .run({ a: 7n, b: new Uint8Array([1]) });
      expect({ changes, lastInsertRowid }).toEqual({ changes: 1, lastInsertRowid: 1 });
    });
    await store.flush();
    await write;
    const rows = store.read((db) => [
      ...db.prepare<{ a: number; b: Uint8Array }>("SELECT * FROM t WHERE a = :a").iterate({ a: 7 }),
    ]);
    expect(rows.map(({ a, b }) => [a, b])).toEqual([[7, new Uint8Array([1])]]);
  });
});

describe("a batch that fails", () => {
  /** Queues three writes, of which the first commit fails. */
  async function expectThreeUndone(limits: Partial<StoreLimits> = {}): Promise<ReturnType<typeof openKit>> {
    const { driver, path, arm } = failingCommits(FULL);
    const kit = openKit({ driver, path, limits });
    const undone: number[] = [];
    arm();
    const writes = [1, 2, 3].map((id) => kit.write(insert(id), () => undone.push(id)));
    await kit.turns.runAll();
    expect(await states(writes)).toEqual(["STORE_FULL", "STORE_FULL", "STORE_FULL"]);
    expect(undone).toEqual([3, 2, 1]);
    return kit;
  }

  it("is undone in reverse order of queueing, and all its callers are rejected", async () => {
    const { store } = await expectThreeUndone();
    expect(idsIn(store)).toEqual([]);
    expect(store.stats()).toMatchObject({ commits: 0, rollbacks: 1, meanBatch: null });
  });

  it("has undone everything before the first caller hears of it", async () => {
    const { driver, path, arm } = failingCommits(FULL);
    const { turns, write } = openKit({ driver, path });
    const events: string[] = [];
    arm();
    for (const id of [1, 2])
      write(insert(id), () => events.push(`undo ${id}`)).catch(() => events.push(`rejected ${id}`));
    await turns.runAll();
    expect(events).toEqual(["undo 2", "undo 1", "rejected 1", "rejected 2"]);
  });

  it("takes along what is queued behind it, since that was decided on a state that is undone", async () => {
    await expectThreeUndone({ batchUnits: 2 });
  });

  it("leaves a store that commits the next batch", async () => {
    const { driver, path, arm } = failingCommits(FULL);
    const { store, turns, write } = openKit({ driver, path });
    arm();
    const lost = write(insert(1));
    await turns.step();
    const kept = write(insert(1, "again"));
    await turns.runAll();
    expect(await states([lost, kept])).toEqual(["STORE_FULL", "done"]);
    expect(idsIn(store)).toEqual([1]);
  });

  it("because of a statement names the reason for every caller", async () => {
    const { store, turns, write } = openKit();
    const writes = [write(insert(1)), write(insert(1)), write(insert(2))];
    await turns.runAll();
    expect(await states(writes)).toEqual(["STORE_FAILED", "STORE_FAILED", "STORE_FAILED"]);
    await expect(writes[0]).rejects.toThrow(
      /UNIQUE constraint failed: items\.id; nothing of this batch was kept/,
    );
    expect(idsIn(store)).toEqual([]);
  });

  it("because a unit threw gives that unit's caller what it threw, and the others STORE_FAILED", async () => {
    const { turns, write } = openKit();
    const bug = new TypeError("bug in a unit");
    const innocent = write(insert(1));
    const guilty = write(() => {
      throw bug;
    });
    await turns.runAll();
    await expect(guilty).rejects.toBe(bug);
    await expect(innocent).rejects.toMatchObject({ code: "STORE_FAILED", cause: bug });
  });

  it.each([
    ["a full disk", FULL, "STORE_FULL"],
    [
      "a full disk under the file system",
      Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }),
      "STORE_FULL",
    ],
    ["an I/O error, extended codes included", sqliteError(10 | (4 << 8), "disk I/O error"), "STORE_FAILED"],
    ["damage", sqliteError(11, "database disk image is malformed"), "STORE_CORRUPT"],
  ])("because of %s says so", async (_, error, code) => {
    const { driver, path, arm } = failingCommits(error);
    const { turns, write } = openKit({ driver, path });
    arm();
    const written = write(insert(1));
    await turns.runAll();
    await expect(written).rejects.toMatchObject({ code, cause: error });
  });

  it("because the file may not grow keeps what was committed before", async () => {
    const { store, write } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver((sql, database) => {
        if (sql.startsWith("PRAGMA user_version")) database.exec("PRAGMA max_page_count = 8");
      }),
    });
    const before = write(insert(1));
    await store.flush();
    await before;
    const tooMuch = write(insert(2, "y".repeat(100_000)));
    await expect(store.flush()).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(tooMuch).rejects.toMatchObject({ code: "STORE_FULL" });
    const after = write(insert(3));
    await store.flush();
    await after;
    expect(idsIn(store)).toEqual([1, 3]);
  });

  it("and cannot be rolled back lets nothing be committed until it can", async () => {
    const lines: string[] = [];
    let refuse = "";
    const { store, turns, clock, write } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      driver: watchedDriver((sql) => {
        if (refuse.includes(sql)) throw sqliteError(10, `no ${sql}`);
      }),
      log: createLog({ component: "store", clock: { wallNow: () => 0 }, sink: (line) => lines.push(line) }),
    });
    refuse = "COMMIT ROLLBACK";
    const first = write(insert(1));
    await turns.runAll();
    refuse = "";
    const second = write(insert(2));
    await turns.runAll();
    const third = write(insert(3));
    await turns.runAll();
    expect(await states([first, second, third])).toEqual(["STORE_FAILED", "STORE_FAILED", "done"]);
    expect(idsIn(store)).toEqual([3]);
    expect(lines.some((line) => line.includes("could not be rolled back"))).toBe(true);
    expect(clock.now()).toBe(0);
  });

  it("and whose undo fails rejects its callers all the same, and ends the turn with a defect", async () => {
    const { driver, path, arm } = failingCommits(FULL);
    const { turns, write } = openKit({ driver, path });
    const undone: number[] = [];
    arm();
    const writes = [
      write(insert(1), () => undone.push(1)),
      write(insert(2), () => {
        throw new Error("cannot");
      }),
    ];
    await expect(turns.runAll()).rejects.toThrow("defect: undo failed: cannot");
    expect(undone).toEqual([1]);
    expect(await states(writes)).toEqual(["STORE_FULL", "STORE_FULL"]);
  });
});

describe("a read", () => {
  it("reports damage as damage, an unreadable file as such, and its own mistakes as they are", () => {
    const { store } = openKit();
    const failing = (error: Error) => () =>
      store.read(() => {
        throw error;
      });
    expect(failing(sqliteError(11, "malformed"))).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    expect(failing(sqliteError(10, "disk I/O error"))).toThrow(
      expect.objectContaining({ code: "FILE_UNREADABLE" }),
    );
    expect(() => store.read((db) => db.prepare("SELECT nonsense"))).toThrow(/no such column/);
  });
});

describe("flush", () => {
  it("commits everything that is queued, without waiting for a turn", async () => {
    const { store } = openKit({ limits: { batchUnits: 2 } });
    const writes = [1, 2, 3].map((id) => store.write(insert(id)));
    await store.flush();
    expect(await states(writes)).toEqual(["done", "done", "done"]);
  });

  it("of an empty queue does nothing", async () => {
    const { store, turns } = openKit();
    void store.write(insert(1));
    await store.flush();
    await store.flush();
    await turns.runAll();
    expect(store.stats().commits).toBe(1);
  });
});

describe("close", () => {
  it("commits what is queued, empties the log, and leaves one file that opens again", async () => {
    const { store, path } = openKit();
    const write = store.write(insert(1));
    await store.close();
    await write;
    expect([path, `${path}-wal`, `${path}-shm`, `${path}.owner`].map((each) => existsSync(each))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(idsIn(openKit({ path }).store)).toEqual([1]);
  });

  it("happens once, and ends the use of the store", async () => {
    const { store, turns } = openKit();
    void store.write(insert(1));
    expect(store.close()).toBe(store.close());
    await store[Symbol.asyncDispose]();
    await turns.runAll();
    let undone = false;
    await expect(store.write(insert(2), () => void (undone = true))).rejects.toMatchObject({
      code: "STORE_FAILED",
    });
    expect(undone).toBe(true);
    expect(() => store.read(() => 1)).toThrow(/the store is closed/);
  });

  it("gives up ownership even when what was queued cannot be committed", async () => {
    const { driver, path, arm } = failingCommits(FULL);
    const { store, write } = openKit({ driver, path });
    arm();
    const written = write(insert(1));
    await Promise.all([store.close(), expect(written).rejects.toMatchObject({ code: "STORE_FULL" })]);
    expect(idsIn(openKit({ path }).store)).toEqual([]);
  });
});

describe("a store of level memory", () => {
  it("touches no file, has no log, and says its level", async () => {
    const { store, path, clock } = openKit({ durability: "memory" });
    void store.write(insert(1));
    await store.flush();
    expect(idsIn(store)).toEqual([1]);
    expect(store.stats()).toMatchObject({ durability: "memory", commits: 1, fileBytes: 0, walBytes: 0 });
    expect(existsSync(path)).toBe(false);
    expect(clock.pending).toBe(0);
  });
});

describe("the metrics of a store", () => {
  it("count commits, rows and rollbacks, and measure each commit", async () => {
    const metrics = createMetricsBlock();
    const { store, write } = openKit({ metrics });
    void write((db) => (insert(1)(db), insert(2)(db)));
    await store.flush();
    const failed = write(insert(1));
    await store.flush().catch(() => {});
    await expect(failed).rejects.toMatchObject({ code: "STORE_FAILED" });
    const { counters, gauges, histograms } = readMetrics([metrics.buffer]);
    expect(counters).toMatchObject({ storeCommits: 1, storeRows: 2, storeRollbacks: 1 });
    expect(histograms.fsyncSeconds.count).toBe(1);
    expect(gauges.storeWalBytes).toBe(store.stats().walBytes);
  });
});

describe("prepared statements", () => {
  it("are kept, but no more of them than allowed, and work also after they were dropped", async () => {
    let prepared = 0;
    const { store } = openKit({
      limits: { statements: 4 },
      path: join(temporaryDirectory(), "items.db"),
      driver: (path) => {
        const driver = watchedDriver(() => {})(path);
        return {
          exec: (sql) => driver.exec(sql),
          prepare: (sql) => (prepared++, driver.prepare(sql)),
          get isTransaction() {
            return driver.isTransaction;
          },
          close: () => driver.close(),
        };
      },
    });
    const ask = (count: number): void => {
      for (let index = 0; index < count; index++) store.read((db) => db.prepare(`SELECT ${index}`).get());
    };
    ask(3);
    const before = prepared;
    ask(3);
    expect(prepared).toBe(before);
    ask(6);
    expect(prepared).toBe(before + 3);
    ask(6);
    expect(prepared).toBeGreaterThan(before + 3);
    await store.close();
  });
});

describe("an abandoned store", () => {
  it("leaves the file to the next owner, without what was queued and not committed", async () => {
    const { store, write, path } = openKit();
    const kept = write(insert(1));
    await store.flush();
    await kept;
    let answered = false;
    void write(insert(2)).finally(() => (answered = true));
    store.abandon();
    const next = openKit({ path });
    expect(idsIn(next.store)).toEqual([1]);
    expect(answered).toBe(false);
    expect(() => store.abandon()).not.toThrow();
  });
});
