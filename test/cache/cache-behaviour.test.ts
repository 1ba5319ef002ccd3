import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { HandlersOf, InitOf } from "../../src/actor/index.ts";
import { CacheFile } from "../../src/cache/cache-file.ts";
import { ROWS_PER_READ } from "../../src/cache/cache-file.ts";
import { CACHE_MIGRATIONS, Cache } from "../../src/cache/index.ts";
import { Generation, NearCache } from "../../src/cache/near.protocol.ts";
import { SWEEP_PAUSE_MS } from "../../src/cache/expiry-timer.ts";
import { EXPIRED_PER_SLICE, KEYS_PER_SLICE } from "../../src/cache/stored-cache.ts";
import { Reference, packValue } from "../../src/codec/index.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { systemScheduler, type Scheduler } from "../../src/scope/index.ts";
import { LOOK_START, type LookPlace } from "../../src/store/index.ts";
import behaviour from "../../workers/cache.actor.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../kit/actor-context.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";

type Members = typeof Cache.members;
type Calls = {
  [K in keyof HandlersOf<Members>]: (
    params: Parameters<HandlersOf<Members>[K]>[0],
  ) => Promise<Awaited<ReturnType<HandlersOf<Members>[K]>>>;
};

interface OpenCache extends Calls {
  readonly fake: FakeActor<Members>;
}

const message = fakeMessage();
const MISS = { hit: false };
const HOUR_MS = 3_600_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (lookup: { hit: boolean; value?: Uint8Array }): string | undefined =>
  lookup.value && new TextDecoder().decode(lookup.value);

let directory: string;
let clock: ManualClock;
/** What readers and all lives of the cache share. */
let shared: SharedArrayBuffer;
const open: OpenCache[] = [];

async function openCache(
  init: Partial<InitOf<Members>> = {},
  scheduler: Scheduler = systemScheduler,
): Promise<OpenCache> {
  const fake = fakeActor(Cache, { clock, scheduler, shared });
  const handlers = await behaviour.setup(fake.context, {
    directory,
    entriesMax: 1_000,
    sizeBytesMax: 2 ** 26,
    policy: "lru",
    ...init,
  });
  const cache: OpenCache = {
    fake,
    get: async (params) => handlers.get(params, message),
    put: async (params) => handlers.put(params, message),
    invalidate: async (params) => handlers.invalidate(params, message),
    claim: async (params) => handlers.claim(params, message),
    renew: async (params) => handlers.renew(params, message),
    settle: async (params) => handlers.settle(params, message),
    fail: async (params) => handlers.fail(params, message),
    release: async (params) => handlers.release(params, message),
    desert: async (params) => handlers.desert(params, message),
    clear: async () => handlers.clear(undefined, message),
    stats: async () => handlers.stats(undefined, message),
    references: async (params) => handlers.references(params, message),
    backup: async (params) => handlers.backup(params, message),
  };
  open.push(cache);
  return cache;
}

const filePath = (): string => join(directory, "cache.sqlite");
const put = (cache: OpenCache, key: string, text = key, ttlMs = HOUR_MS): Promise<void> =>
  cache.put({ key, value: bytes(text), ttlMs });

/** Looks into the file of a cache that has been stopped, or does something to it. */
function withFile<T>(act: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(filePath());
  try {
    return act(db);
  } finally {
    db.close();
  }
}
/** Makes the file refuse from now on, in the way of a real one: later, after the change was taken back. */
function refuseWrites(refusal: Error): void {
  const refuse = async (undo: () => void): Promise<never> => {
    await Promise.resolve();
    undo();
    throw refusal;
  };
  vi.spyOn(CacheFile.prototype, "write").mockImplementation((_change, _value, undo) => refuse(undo));
  vi.spyOn(CacheFile.prototype, "clear").mockImplementation(refuse);
}

const rowsInFile = (): string[] =>
  withFile((db) =>
    db
      .prepare("SELECT key FROM entries ORDER BY id")
      .all()
      .map((row) => String(row["key"])),
  );

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cache-"));
  clock = manualClock();
  shared = Generation.create();
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const { fake } of open.splice(0)) await fake.stop();
  rmSync(directory, { recursive: true });
});

describe("a cached value", () => {
  it("is found until its time is over, and says when that is", async () => {
    const cache = await openCache();
    const storedAtMs = clock.wallNow();
    await put(cache, "a", "value", 50);
    expect(await cache.get({ key: "a" })).toEqual({
      hit: true,
      value: bytes("value"),
      storedAtMs,
      expiresAtMs: storedAtMs + 50,
    });
    await clock.advance(50);
    expect(await cache.get({ key: "a" })).toEqual(MISS);
  });

  it("may be empty: that is a hit", async () => {
    const cache = await openCache({ sizeBytesMax: 0 });
    await put(cache, "a", "");
    expect(await cache.get({ key: "a" })).toMatchObject({ hit: true, value: new Uint8Array(0) });
  });

  it("is found before its file has it, and only the put waits for that", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const cache = await openCache({ sizeBytesMax: 2 ** 26 }, scheduler);
    const large = new Uint8Array(LIMITS.cache.hotBytes + 1);
    let written = false;
    const writing = cache.put({ key: "large", value: large, ttlMs: HOUR_MS }).then(() => (written = true));
    expect(await cache.get({ key: "large" })).toMatchObject({ hit: true });
    expect(written).toBe(false);
    await scheduler.runAll();
    await writing;
    const read = vi.spyOn(CacheFile.prototype, "valueOf");
    const found = await cache.get({ key: "large" });
    expect(read).toHaveBeenCalledOnce();
    expect(found.hit && Buffer.compare(found.value, large)).toBe(0);
  });

  it("is replaced by a later one under its key, and removed with a time to live of 0", async () => {
    const cache = await openCache();
    await put(cache, "a", "first");
    await put(cache, "a", "second");
    expect(textOf(await cache.get({ key: "a" }))).toBe("second");
    await put(cache, "a", "third", 0);
    expect(await cache.get({ key: "a" })).toEqual(MISS);
    await cache.fake.stop();
    expect(rowsInFile()).toEqual([]);
  });

  it("leaves when it is removed, and that is told once", async () => {
    const cache = await openCache();
    await put(cache, "a");
    expect(await cache.invalidate({ key: "a" })).toEqual({ removed: 1 });
    expect(await cache.invalidate({ key: "a" })).toEqual({ removed: 0 });
    expect(await cache.get({ key: "a" })).toEqual(MISS);
  });

  it("leaves with all others when the cache is cleared", async () => {
    const cache = await openCache();
    for (const key of ["a", "b"]) await put(cache, key);
    await put(cache, "over", "over", 10);
    await clock.advance(10);
    expect(await cache.clear(undefined)).toEqual({ removed: 2 });
    expect(await cache.stats(undefined)).toMatchObject({ entries: 0, sizeBytes: 0, expired: 1 });
    await cache.fake.stop();
    expect(rowsInFile()).toEqual([]);
  });

  it("makes room by evicting the least recently used", async () => {
    const cache = await openCache({ entriesMax: 2 });
    for (const key of ["a", "b"]) await put(cache, key);
    await cache.get({ key: "a" });
    await put(cache, "c");
    expect(await cache.get({ key: "b" })).toEqual(MISS);
    expect(textOf(await cache.get({ key: "a" }))).toBe("a");
    await cache.fake.stop();
    expect(rowsInFile()).toEqual(["a", "c"]);
  });
});

describe("what the cache refuses", () => {
  const refusal = (argument: string): unknown =>
    expect.objectContaining({
      code: "INVALID_ARGUMENT",
      details: expect.objectContaining({ argument }) as unknown,
    });

  it("is a key, a time to live or a value out of range, and nothing changes", async () => {
    const cache = await openCache({ sizeBytesMax: 10 });
    await put(cache, "a");
    await expect(put(cache, "")).rejects.toEqual(refusal("key"));
    await expect(cache.get({ key: "k".repeat(513) })).rejects.toEqual(refusal("key"));
    await expect(cache.invalidate({ key: "" })).rejects.toEqual(refusal("key"));
    await expect(put(cache, "a", "a", -1)).rejects.toEqual(refusal("ttlMs"));
    await expect(put(cache, "a", "longer than ten")).rejects.toEqual(refusal("value"));
    expect(textOf(await cache.get({ key: "a" }))).toBe("a");
  });

  it("is a bound that is none, before any file is made", async () => {
    await expect(openCache({ entriesMax: 0 })).rejects.toEqual(refusal("entriesMax"));
    expect(existsSync(filePath())).toBe(false);
  });
});

describe("a restart", () => {
  it("keeps the entries, their order of leaving, and their time", async () => {
    const first = await openCache({ entriesMax: 3 });
    for (const key of ["a", "b"]) await put(first, key);
    await put(first, "short", "short", 20);
    await first.fake.stop();

    const second = await openCache({ entriesMax: 3 });
    expect(await second.stats(undefined)).toMatchObject({ durability: "committed", entries: 3, hits: 0 });
    await clock.advance(20);
    expect(await second.get({ key: "short" })).toEqual(MISS);
    await put(second, "d");
    await put(second, "e");
    expect(await second.get({ key: "a" })).toEqual(MISS);
    expect(textOf(await second.get({ key: "b" }))).toBe("b");
  });

  it("after a crash keeps what was acknowledged", async () => {
    const first = await openCache();
    await put(first, "a");
    first.fake.crash();
    await microtasksDrained();
    expect(textOf(await (await openCache()).get({ key: "a" }))).toBe("a");
  });

  it("reads more entries than one block of rows holds", async () => {
    const entries = ROWS_PER_READ + 1;
    const first = await openCache({ entriesMax: entries });
    await Promise.all(Array.from({ length: entries }, (_, index) => put(first, `k${index}`)));
    await first.fake.stop();
    const second = await openCache({ entriesMax: entries });
    expect((await second.stats(undefined)).entries).toBe(entries);
    expect(textOf(await second.get({ key: `k${entries - 1}` }))).toBe(`k${entries - 1}`);
  });

  it("with smaller bounds drops what no longer fits, from the file too", async () => {
    const first = await openCache();
    for (const key of ["a", "b", "c"]) await put(first, key);
    await first.fake.stop();
    const second = await openCache({ entriesMax: 1 });
    expect(await second.stats(undefined)).toMatchObject({ entries: 1, evictions: 2 });
    await second.fake.stop();
    expect(rowsInFile()).toEqual(["c"]);
  });

  it("without a directory keeps nothing", async () => {
    const first = await openCache({ directory: null });
    await put(first, "a");
    expect(textOf(await first.get({ key: "a" }))).toBe("a");
    expect((await first.stats(undefined)).durability).toBe("memory");
    await first.fake.stop();
    expect(await (await openCache({ directory: null })).get({ key: "a" })).toEqual(MISS);
    expect(existsSync(filePath())).toBe(false);
  });
});

describe("expired entries", () => {
  it("leave memory and file by themselves, a slice at a time", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const cache = await openCache({}, scheduler);
    const entries = 2 * EXPIRED_PER_SLICE + 1;
    const writes = Array.from({ length: entries }, (_, index) => put(cache, `k${index}`, "value", 5_000));
    writes.push(put(cache, "stays", "value", HOUR_MS));
    await scheduler.runAll();
    await Promise.all(writes);

    await clock.advance(5_000);
    expect((await cache.stats(undefined)).expired).toBe(EXPIRED_PER_SLICE);
    await scheduler.runAll();
    expect(await cache.stats(undefined)).toMatchObject({
      entries: 1,
      expired: entries,
      evictions: 0,
      misses: 0,
    });
    await cache.fake.stop();
    expect(rowsInFile()).toEqual(["stays"]);
  });

  it("that expire one by one leave together, at most a pause late", async () => {
    const cache = await openCache();
    for (let ttlMs = 1; ttlMs <= 10; ttlMs++) await put(cache, `k${ttlMs}`, "value", ttlMs);
    await clock.advance(SWEEP_PAUSE_MS - 1);
    expect((await cache.stats(undefined)).expired).toBe(0);
    await clock.advance(1);
    expect(await cache.stats(undefined)).toMatchObject({ entries: 0, expired: 10 });
  });

  it("of a sooner time than those before are not kept waiting", async () => {
    const cache = await openCache();
    await put(cache, "late", "value", HOUR_MS);
    await put(cache, "soon", "value", 2_000);
    await clock.advance(2_000);
    expect(await cache.stats(undefined)).toMatchObject({ entries: 1, expired: 1 });
    await clock.advance(HOUR_MS);
    expect(await cache.stats(undefined)).toMatchObject({ entries: 0, expired: 2 });
  });

  it("leave by the wall clock, also when it was set back meanwhile", async () => {
    const cache = await openCache();
    await put(cache, "a", "value", 5_000);
    clock.wallOffsetMs -= 3_000;
    await clock.advance(5_000);
    expect(textOf(await cache.get({ key: "a" }))).toBe("value");
    await clock.advance(3_000);
    expect((await cache.stats(undefined)).expired).toBe(1);
  });

  it("that cannot be removed from the file are tried again, and are misses all the while", async () => {
    const cache = await openCache();
    await put(cache, "a", "value", 5_000);
    refuseWrites(fault("STORE_FULL", { path: filePath() }));
    await clock.advance(5_000);
    expect(await cache.get({ key: "a" })).toEqual(MISS);
    expect(await cache.stats(undefined)).toMatchObject({ entries: 1, expired: 0 });
    vi.restoreAllMocks();
    await clock.advance(SWEEP_PAUSE_MS);
    expect(await cache.stats(undefined)).toMatchObject({ entries: 0, expired: 1 });
  });
});

describe("a write that fails", () => {
  it("rejects its caller and leaves what was there", async () => {
    const cache = await openCache({ entriesMax: 1 });
    await put(cache, "a");
    refuseWrites(fault("STORE_FULL", { path: filePath() }));
    await expect(put(cache, "b")).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(cache.invalidate({ key: "a" })).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(cache.clear(undefined)).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(await cache.get({ key: "b" })).toEqual(MISS);
    expect(textOf(await cache.get({ key: "a" }))).toBe("a");
    expect(await cache.stats(undefined)).toMatchObject({ entries: 1, evictions: 0 });
    expect(cache.fake.metrics().gauges.cacheEntries).toBe(1);
  });
});

describe("the values used last", () => {
  it("are answered from memory, where one that left or was refused takes no room", async () => {
    const cache = await openCache();
    const fill = (key: string, share: number): Promise<void> =>
      cache.put({ key, value: new Uint8Array((LIMITS.cache.hotBytes * share) / 16), ttlMs: HOUR_MS });
    await fill("a", 9);
    await fill("left", 7);
    await cache.invalidate({ key: "left" });
    refuseWrites(fault("STORE_FULL", { path: filePath() }));
    await expect(fill("refused", 7)).rejects.toMatchObject({ code: "STORE_FULL" });
    vi.restoreAllMocks();
    await fill("b", 7);
    const read = vi.spyOn(CacheFile.prototype, "valueOf");
    for (const key of ["a", "b"]) expect((await cache.get({ key })).hit).toBe(true);
    expect(read).not.toHaveBeenCalled();
  });
});

describe("a broken entry", () => {
  it("is a miss, is removed, and is counted", async () => {
    const first = await openCache();
    await put(first, "a", "the value of a");
    await put(first, "b", "the value of b");
    await first.fake.stop();
    const content = readFileSync(filePath());
    content.write("THE", content.indexOf("the value of a"));
    writeFileSync(filePath(), content);

    const second = await openCache();
    expect(await second.get({ key: "a" })).toEqual(MISS);
    expect(await second.get({ key: "a" })).toEqual(MISS);
    expect(textOf(await second.get({ key: "b" }))).toBe("the value of b");
    expect(await second.stats(undefined)).toMatchObject({ entries: 1, hits: 1, misses: 2, broken: 1 });
    expect(second.fake.logged).toContainEqual(expect.objectContaining({ level: "warn", key: "a" }));
    await second.fake.stop();
    expect(rowsInFile()).toEqual(["b"]);
  });

  it("is also one whose value stands under another key, or cannot be read", async () => {
    const first = await openCache();
    for (const key of ["a", "b"]) await put(first, key);
    await first.fake.stop();
    withFile((db) => db.exec("UPDATE entries SET key = 'c' WHERE key = 'a'"));

    const second = await openCache();
    expect(await second.get({ key: "c" })).toEqual(MISS);
    vi.spyOn(CacheFile.prototype, "valueOf").mockImplementation(() => {
      throw fault("FILE_UNREADABLE", { path: filePath(), why: "disk I/O error" });
    });
    expect(await second.get({ key: "b" })).toEqual(MISS);
    expect(await second.stats(undefined)).toMatchObject({ entries: 0, broken: 2 });
    expect(second.fake.health()).toMatchObject({ filesSetAside: 0 });
  });
});

describe("a damaged file", () => {
  const damagedPath = (): string => `${filePath()}.damaged`;

  it("is set aside with its log, and a new one is begun", async () => {
    writeFileSync(filePath(), "this is no database, whatever its name says ".repeat(100));
    writeFileSync(`${filePath()}-wal`, "nor is this a log");
    const cache = await openCache();
    await put(cache, "a");
    expect(textOf(await cache.get({ key: "a" }))).toBe("a");
    expect(readFileSync(damagedPath(), "utf8")).toContain("this is no database");
    expect(cache.fake.health()).toMatchObject({ durability: "committed", filesSetAside: 1 });
    expect(cache.fake.logged).toContainEqual(expect.objectContaining({ level: "info", as: damagedPath() }));
  });

  it("takes the place of the one that was set aside before", async () => {
    for (const text of ["first", "second"]) {
      writeFileSync(filePath(), text.repeat(1_000));
      await (await openCache()).fake.stop();
    }
    expect(readFileSync(damagedPath(), "utf8")).toContain("second");
  });

  it("is also one in which two entries have the same key", async () => {
    const first = await openCache();
    await put(first, "a");
    await first.fake.stop();
    withFile((db) =>
      db.exec(
        `INSERT INTO entries SELECT id + 1, key, stored_at_ms, expires_at_ms, leaves_at_ms, negative, tags, checksum, value
         FROM entries`,
      ),
    );
    const second = await openCache();
    expect((await second.stats(undefined)).entries).toBe(0);
    expect(existsSync(damagedPath())).toBe(true);
  });

  /** Large enough that SQLite has to go back to the file for it, whatever it read when it opened. */
  const LARGE_BYTES = 12 * 2 ** 20;

  async function damagedWhileOpen(): Promise<OpenCache> {
    const first = await openCache();
    await put(first, "small");
    await first.put({ key: "large", value: new Uint8Array(LARGE_BYTES).fill(1), ttlMs: HOUR_MS });
    await first.fake.stop();
    const cache = await openCache();
    const intact = 4 * 4_096;
    const garbage = Buffer.alloc(statSync(filePath()).size - intact, 0xff);
    writeFileSync(filePath(), Buffer.concat([readFileSync(filePath()).subarray(0, intact), garbage]));
    return cache;
  }

  it("is replaced while the cache runs: the reader has a miss, and later calls the new file", async () => {
    const cache = await damagedWhileOpen();
    expect(await cache.get({ key: "large" })).toEqual(MISS);
    await put(cache, "new");
    expect(textOf(await cache.get({ key: "new" }))).toBe("new");
    expect(await cache.get({ key: "small" })).toEqual(MISS);
    expect(cache.fake.health()).toMatchObject({ durability: "committed", entries: 1, filesSetAside: 1 });
    expect(existsSync(damagedPath())).toBe(true);
    await cache.fake.stop();
    expect(rowsInFile()).toEqual(["new"]);
  });

  it("that cannot be set aside while the cache runs leaves a cache in memory", async () => {
    const cache = await damagedWhileOpen();
    mkdirSync(damagedPath());
    expect(await cache.get({ key: "large" })).toEqual(MISS);
    await put(cache, "new");
    expect(textOf(await cache.get({ key: "new" }))).toBe("new");
    expect((await cache.stats(undefined)).durability).toBe("memory");
    const errors = cache.fake.logged.filter(({ level }) => level === "error");
    expect(errors).toMatchObject([
      { error: { code: "STORE_CORRUPT" } },
      { error: { code: "FILE_UNWRITABLE" } },
    ]);
  });

  it("that shows itself in a write rejects that write, once, and is replaced", async () => {
    const cache = await openCache();
    refuseWrites(fault("STORE_CORRUPT", { path: filePath(), why: "malformed" }));
    const both = [put(cache, "a"), put(cache, "b")];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    vi.restoreAllMocks();
    await put(cache, "c");
    expect(cache.fake.health()).toMatchObject({ entries: 1, filesSetAside: 1 });
  });
});

describe("a file that is not the cache's to replace", () => {
  it("because another owner has it open is refused", async () => {
    await openCache();
    await expect(openCache()).rejects.toMatchObject({ code: "STORE_OWNED" });
  });

  it("because a newer version wrote it is refused and left as it is", async () => {
    const first = await openCache();
    await put(first, "a");
    await first.fake.stop();
    withFile((db) => db.exec("PRAGMA user_version = 99"));
    await expect(openCache()).rejects.toMatchObject({ code: "STORE_NEWER" });
    expect(rowsInFile()).toEqual(["a"]);
  });
});

it("the metrics of the cache follow what it does", async () => {
  const cache = await openCache({ entriesMax: 2 });
  for (const key of ["a", "b", "c"]) await put(cache, key, "four");
  await cache.get({ key: "a" });
  await cache.get({ key: "c" });
  const { counters, gauges } = cache.fake.metrics();
  expect(counters).toMatchObject({ cacheHits: 1, cacheMisses: 1, cacheEvictions: 1 });
  expect(gauges).toMatchObject({ cacheEntries: 2, cacheBytes: 8 });
});

describe("a backup of the cache", () => {
  it("is its file as it was committed, at an absolute path", async () => {
    const cache = await openCache();
    await put(cache, "key");
    const path = join(directory, "copy", "cache.sqlite");
    mkdirSync(join(directory, "copy"));
    await expect(cache.backup({ path: "copy.sqlite" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const { sizeBytes } = await cache.backup({ path });
    expect(statSync(path).size).toBe(sizeBytes);
    const copy = await openCache({ directory: join(directory, "copy") });
    expect(textOf(await copy.get({ key: "key" }))).toBe("key");
  });
});

describe("what entries name", () => {
  const address = (digit: string): string => digit.repeat(64);
  const naming = (digit: string): Uint8Array => packValue({ part: new Reference(address(digit), 1) });
  const named = async (cache: OpenCache): Promise<string[]> => {
    const found: string[] = [];
    for (let from: LookPlace | null = LOOK_START; from !== null;) {
      const part: { addresses: string[]; next: LookPlace | null } = await cache.references({ from });
      found.push(...part.addresses);
      from = part.next;
    }
    return found.toSorted();
  };

  it("is told of all of them, on disk or on their way there, and of no other", async () => {
    const cache = await openCache();
    await put(cache, "none");
    await cache.put({ key: "a", value: naming("a"), ttlMs: HOUR_MS });
    await cache.put({ key: "b", value: naming("b"), ttlMs: HOUR_MS });
    const underWay = cache.put({ key: "c", value: naming("c"), ttlMs: HOUR_MS });
    expect(await named(cache)).toEqual(["a", "b", "c"].map(address));
    await underWay;
    await cache.put({ key: "a", value: naming("d"), ttlMs: HOUR_MS });
    await cache.invalidate({ key: "b" });
    expect(await named(cache)).toEqual(["c", "d"].map(address));
    await cache.clear(undefined);
    expect(await named(cache)).toEqual([]);
  });

  it("cannot be told of a damaged file, which is set aside then", async () => {
    const cache = await openCache();
    const corrupt = fault("STORE_CORRUPT", { path: filePath(), why: "malformed" });
    vi.spyOn(CacheFile.prototype, "references").mockRejectedValue(corrupt);
    await expect(cache.references({ from: LOOK_START })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    vi.restoreAllMocks();
    expect(await named(cache)).toEqual([]);
    expect(cache.fake.health()).toMatchObject({ filesSetAside: 1 });
  });
});

describe("tags, patterns and choices", () => {
  const claim = (cache: OpenCache, key: string, accepted = {}): Promise<unknown> =>
    cache.claim({ key, tags: [], stale: false, negative: false, ...accepted });

  it("survive a restart: entries keep their tags, their failures and their grace", async () => {
    const first = await openCache();
    await first.put({ key: "a", value: bytes("a"), ttlMs: HOUR_MS, tags: ["x", "y"] });
    await first.put({ key: "b", value: bytes("b"), ttlMs: 50, staleMs: HOUR_MS });
    const token = tokenOf(await claim(first, "c"));
    await first.fail({ token, error: bytes("error"), ttlMs: HOUR_MS, tags: ["y"] });
    await first.fake.stop();
    await clock.advance(60);
    const second = await openCache();
    expect(await second.get({ key: "c" })).toEqual(MISS);
    expect(await claim(second, "c", { negative: true })).toEqual({ kind: "failure", error: bytes("error") });
    expect(await claim(second, "b", { stale: true })).toMatchObject({ kind: "stale", value: bytes("b") });
    expect(await second.invalidate({ tags: ["y", "z"] })).toEqual({ removed: 2 });
    expect((await second.stats(undefined)).entries).toBe(1);
  });

  it("of a file of the first version are none, and its values are found", async () => {
    const first = await openCache();
    await put(first, "a", "old");
    await first.fake.stop();
    withFile((db) => {
      db.exec("ALTER TABLE entries RENAME TO entries_now");
      db.exec(CACHE_MIGRATIONS[0] ?? "");
      db.exec(
        "INSERT INTO entries SELECT id, key, stored_at_ms, expires_at_ms, checksum, value FROM entries_now",
      );
      db.exec("DROP TABLE entries_now; PRAGMA user_version = 1");
    });
    const second = await openCache();
    expect(textOf(await second.get({ key: "a" }))).toBe("old");
    expect(await second.stats(undefined)).toMatchObject({ entries: 1, broken: 0 });
  });

  it("a pattern is held against many keys in slices, with turns for other messages in between", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const cache = await openCache({ entriesMax: 3 * KEYS_PER_SLICE }, scheduler);
    const puts = Array.from({ length: 2 * KEYS_PER_SLICE + 1 }, (_, index) => put(cache, `k${index}`));
    await microtasksDrained();
    await scheduler.runAll();
    await Promise.all(puts);
    let removed = 0;
    const invalidating = cache.invalidate({ pattern: "k*7" }).then((answer) => (removed = answer.removed));
    expect(await cache.get({ key: "k0" })).toMatchObject({ hit: true });
    expect(removed).toBe(0);
    for (let slice = 0; slice < 4; slice++) {
      await microtasksDrained();
      await scheduler.runAll();
    }
    await invalidating;
    expect(removed).toBe(200);
    expect(await cache.get({ key: "k17" })).toEqual(MISS);
  });

  it("say exactly one thing, or nothing is invalidated", async () => {
    const cache = await openCache();
    await put(cache, "a");
    const both = { key: "a", tags: ["x"] } as { key: string };
    for (const selection of [both, {} as { key: string }, { tags: [""] }, { pattern: "" }])
      await expect(cache.invalidate(selection)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await cache.get({ key: "a" })).toMatchObject({ hit: true });
  });
});

function tokenOf(claimed: unknown): string {
  const { token } = claimed as { token?: string };
  if (token === undefined) throw new Error("the claim gave no right to compute");
  return token;
}

it("a computed value of an old token, or of a key that has changed, is not stored", async () => {
  const cache = await openCache();
  const ask = { key: "a", tags: [], stale: false, negative: false };
  const settled = { value: bytes("late"), ttlMs: HOUR_MS, tags: [], staleMs: 0 };
  const changed = tokenOf(await cache.claim(ask));
  await put(cache, "a", "newer");
  expect(await cache.settle({ token: changed, ...settled })).toEqual({ stored: false });
  expect(textOf(await cache.get({ key: "a" }))).toBe("newer");
  expect(await cache.settle({ token: changed, ...settled })).toEqual({ stored: false });
  await cache.invalidate({ key: "a" });
  const token = tokenOf(await cache.claim(ask));
  expect(await cache.renew({ token })).toEqual({ held: true });
  expect(await cache.settle({ token, ...settled })).toEqual({ stored: true });
  expect(textOf(await cache.get({ key: "a" }))).toBe("late");
  expect(await cache.renew({ token })).toEqual({ held: false });
});

it("a reader's copy of a put that is refused later is not trusted any more", async () => {
  const cache = await openCache();
  await put(cache, "a", "old");
  const gate = Promise.withResolvers<void>();
  vi.spyOn(CacheFile.prototype, "write").mockImplementation(async (_change, _value, undo) => {
    await gate.promise;
    undo();
    throw fault("STORE_FULL", { path: filePath() });
  });
  const refused = put(cache, "a", "new").catch((error: { code: string }) => error.code);
  expect(textOf(await cache.get({ key: "a" }))).toBe("new");
  const near = new NearCache(new Generation(shared));
  const mark = near.mark("a");
  const found = await cache.get({ key: "a" });
  expect(textOf(found)).toBe("new");
  if (found.hit) near.keep("a", found, mark, clock.wallNow());
  gate.resolve();
  expect(await refused).toBe("STORE_FULL");
  expect(near.find("a", clock.wallNow())).toBeUndefined();
  expect(textOf(await cache.get({ key: "a" }))).toBe("old");
});
