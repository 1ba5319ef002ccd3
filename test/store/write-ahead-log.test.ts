import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLog } from "../../src/telemetry/index.ts";
import { idsIn, insert, openKit, sqliteError, temporaryDirectory, watchedDriver } from "./store-kit.ts";

describe("the write-ahead log", () => {
  it("is moved into the file once nothing was written for a while", async () => {
    const { store, clock, turns } = openKit({ limits: { idleMs: 100 } });
    void store.write(insert(1));
    await turns.runAll();
    expect(store.stats().walBytes).toBeGreaterThan(0);
    await clock.advance(60);
    void store.write(insert(2));
    await turns.runAll();
    await clock.advance(60);
    expect(store.stats().walBytes).toBeGreaterThan(0);
    await clock.advance(40);
    expect(store.stats().walBytes).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it("is moved before the next batch once it is above its bound, and its file does not grow further", async () => {
    const { store, path } = openKit({ limits: { walBytes: 100_000 } });
    const sizes: number[] = [];
    for (let id = 0; id < 40; id++) {
      void store.write(insert(id, "z".repeat(10_000)));
      await store.flush();
      sizes.push(store.stats().walBytes);
    }
    const largestUnitBytes = 40_000;
    expect(Math.max(...sizes)).toBeLessThan(100_000 + largestUnitBytes);
    expect(statSync(`${path}-wal`).size).toBeLessThan(100_000 + largestUnitBytes);
    expect(store.stats().fileBytes).toBeGreaterThan(400_000);
  });

  it("that cannot be moved is kept, and the store goes on", async () => {
    const lines: string[] = [];
    let refuse = true;
    const { store } = openKit({
      path: join(temporaryDirectory(), "items.db"),
      limits: { walBytes: 1 },
      driver: watchedDriver((sql) => {
        if (refuse && sql.includes("PASSIVE")) throw sqliteError(10, "disk I/O error");
      }),
      log: createLog({ component: "store", clock: { wallNow: () => 0 }, sink: (line) => lines.push(line) }),
    });
    for (const id of [1, 2]) {
      void store.write(insert(id));
      await store.flush();
    }
    expect(lines.some((line) => line.includes("could not be moved"))).toBe(true);
    refuse = false;
    expect(idsIn(store)).toEqual([1, 2]);
  });
});
