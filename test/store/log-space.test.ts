import { copyFileSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import type { StoreOptions } from "../../src/store/index.ts";
import { LogSpace } from "../../src/store/log-space.ts";
import { insert, openKit, temporaryDirectory } from "./store-kit.ts";

const MB = 2 ** 20;
/** A store whose turns come by themselves. */
const open = (options: Partial<StoreOptions> = {}): ReturnType<typeof openKit> =>
  openKit({ clock: systemClock, scheduler: systemScheduler, ...options });

describe("the log of a store", () => {
  it("is longer than what is in it, so that a commit overwrites and does not make it longer", async () => {
    const { store, path } = open();
    const before = statSync(`${path}-wal`).size;
    expect(before).toBeGreaterThanOrEqual(MB);
    for (let id = 0; id < 20; id++) await store.write(insert(id, "content"));
    expect(store.stats().walBytes).toBeGreaterThan(20 * 4_096);
    expect(statSync(`${path}-wal`).size).toBe(before);
    await store.close();
  });

  it("is made longer before it is full, up to its bound and no further", async () => {
    const { store, path } = open({ limits: { walBytes: 2 * MB } });
    for (let id = 0; id < 8; id++) await store.write(insert(id, "x".repeat(100_000)));
    expect(statSync(`${path}-wal`).size).toBe(2 * MB);
    await store.close();
  });

  it("holds what was committed, and nothing of the room behind it, when the process dies", async () => {
    const { store, path } = open();
    for (let id = 0; id < 5; id++) await store.write(insert(id, `text ${id}`));
    const copy = join(temporaryDirectory(), "items.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    const next = open({ path: copy });
    expect(next.store.read((db) => db.prepare("SELECT count(*) AS count FROM items").get()?.["count"])).toBe(
      5,
    );
    await next.store.close();
    await store.close();
  });

  it("is sized ahead only where somebody waits for the disk", async () => {
    const { store, path } = open({ durability: "committed" });
    await store.write(insert(1, "content"));
    expect(statSync(`${path}-wal`).size).toBeLessThan(MB);
    await store.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  it("that cannot be opened has no room made ahead, which is no error", () => {
    expect(LogSpace.open(join(temporaryDirectory(), "nothing.db"), MB)).toBeNull();
  });
});
