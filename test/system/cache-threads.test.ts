import { expect, it } from "vitest";
import { openSystem } from "../../src/system/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { CacheReader } from "./modules/cache-reader.protocol.ts";

const PUTS = 400;

failOnLeaks();

it("what was acknowledged is seen by every later read of every thread, while they read copies of their own", async () => {
  await using system = await openSystem({ data: null, threads: 1 });
  const shared = new SharedArrayBuffer(4);
  const acknowledged = new Int32Array(shared);
  const module = new URL("./modules/cache-reader.actor.ts", import.meta.url).href;
  const readers = await Promise.all(
    ["first", "second"].map((name) => system.spawn(CacheReader, { name, module, shared, calls: ["cache"] })),
  );
  await system.cache.put("k", 0, { ttlMs: 60_000 });
  const watched = Promise.all(
    readers.map((reader) => reader.call.watch({ key: "k", last: PUTS }, { timeoutMs: Infinity })),
  );
  for (let n = 1; n <= PUTS; n++) {
    await system.cache.put("k", n, { ttlMs: 60_000 });
    Atomics.store(acknowledged, 0, n);
  }
  const seen = await watched;
  expect(seen.map(({ tooOld }) => tooOld)).toEqual([0, 0]);
  expect((await system.cache.stats()).nearHits).toBeGreaterThan(0);
});

it("callers of one thread that miss at once have one computation, of a cache on another thread", async () => {
  await using system = await openSystem({ data: null, threads: 1 });
  let runs = 0;
  const compute = async (): Promise<number> => {
    runs += 1;
    return 42;
  };
  const asked = Array.from({ length: 50 }, () => system.cache.getOrCompute("k", compute, { ttlMs: 60_000 }));
  expect(new Set(await Promise.all(asked))).toEqual(new Set([42]));
  expect(runs).toBe(1);
});
