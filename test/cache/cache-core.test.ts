import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { CacheCore, type CacheChange } from "../../src/cache/cache.core.ts";
import { EVICTION_POLICIES, type EvictionPolicy } from "../../src/cache/eviction.ts";
import { NaiveCache } from "./naive-cache.ts";

const core = (entriesMax = 3, sizeBytesMax = 100, policy: EvictionPolicy = "lru"): CacheCore =>
  new CacheCore({ entriesMax, sizeBytesMax, policy });
const keysOf = ({ dropped }: CacheChange): string[] => dropped.map(({ entry, why }) => `${entry.key} ${why}`);
const refusal = (argument: string): unknown =>
  expect.objectContaining({
    code: "INVALID_ARGUMENT",
    details: expect.objectContaining({ argument }) as unknown,
  });

describe("the time to live", () => {
  it("ends at its last millisecond, itself included", () => {
    const cache = core();
    cache.put("a", 1, 50, 1_000);
    expect(cache.find("a", 1_049)).toMatchObject({ key: "a", storedAtMs: 1_000, expiresAtMs: 1_050 });
    expect(cache.find("a", 1_050)).toBeUndefined();
    expect(cache.counts).toMatchObject({ hits: 1, misses: 1 });
  });

  it("of 0 stores nothing, evicts nothing, and removes what was there", () => {
    const cache = core(1);
    cache.put("a", 1, 50, 0);
    expect(cache.put("b", 1, 0, 0)).toEqual({ added: undefined, dropped: [] });
    expect(keysOf(cache.put("a", 1, 0, 0))).toEqual(["a replaced"]);
    expect(cache.counts.entries).toBe(0);
  });

  it("is ten years at most", () => {
    expect(core().put("a", 1, LIMITS.cache.ttlMs, 0).added?.expiresAtMs).toBe(315_360_000_000);
    for (const ttlMs of [LIMITS.cache.ttlMs + 1, -1, NaN, Infinity]) {
      expect(() => core().put("a", 1, ttlMs, 0)).toThrow(refusal("ttlMs"));
    }
  });

  it("says when the next entry expires, and never when there is none", () => {
    const cache = core();
    expect(cache.nextExpiryMs).toBe(Infinity);
    cache.put("a", 1, 50, 0);
    cache.put("b", 1, 20, 0);
    expect(cache.nextExpiryMs).toBe(20);
    cache.remove(["b"], 0);
    expect(cache.nextExpiryMs).toBe(50);
  });

  it("is enforced in slices, soonest expired first", () => {
    const cache = core();
    for (const [key, ttlMs] of Object.entries({ late: 30, soon: 10, never: 1_000 }))
      cache.put(key, 1, ttlMs, 0);
    expect(keysOf(cache.expire(30, 1))).toEqual(["soon expired"]);
    expect(keysOf(cache.expire(30, 10))).toEqual(["late expired"]);
    expect(keysOf(cache.expire(30, 10))).toEqual([]);
    expect(cache.counts).toMatchObject({ entries: 1, expired: 2, crowded: 0 });
  });
});

describe("the room", () => {
  it("is made by evicting the least recently used, and finding is use", () => {
    const cache = core(2);
    cache.put("a", 1, 50, 0);
    cache.put("b", 1, 50, 0);
    cache.find("a", 1);
    expect(keysOf(cache.put("c", 1, 50, 2))).toEqual(["b crowded"]);
    expect(cache.counts).toMatchObject({ entries: 2, crowded: 1, outweighed: 0 });
  });

  it("is counted in bytes too: one large value takes the place of many small ones", () => {
    const cache = core(10, 10);
    for (const key of ["a", "b", "c"]) cache.put(key, 3, 50, 0);
    expect(keysOf(cache.put("d", 5, 50, 0))).toEqual(["a outweighed", "b outweighed"]);
    expect(cache.counts).toMatchObject({ entries: 2, sizeBytes: 8 });
  });

  it("is taken from expired entries before any live one", () => {
    const cache = core(2);
    cache.put("live", 1, 50, 0);
    cache.put("expired", 1, 10, 0);
    expect(keysOf(cache.put("new", 1, 50, 20))).toEqual(["expired expired"]);
    expect(cache.counts).toMatchObject({ expired: 1, crowded: 0 });
  });

  it("of a replaced value is free for the new one", () => {
    const cache = core(1, 10);
    cache.put("a", 10, 50, 0);
    expect(keysOf(cache.put("a", 10, 50, 0))).toEqual(["a replaced"]);
    expect(keysOf(cache.put("a", 10, 50, 60))).toEqual(["a expired"]);
    expect(cache.counts).toMatchObject({ entries: 1, sizeBytes: 10, outweighed: 0 });
  });

  it("is not emptied for a value that will never fit: it is refused and changes nothing", () => {
    const cache = core(3, 10);
    cache.put("a", 10, 50, 0);
    expect(() => cache.put("a", 11, 50, 0)).toThrow(refusal("value"));
    expect(cache.find("a", 0)).toMatchObject({ sizeBytes: 10 });
  });

  it("has bounds that are whole numbers, with at least one entry", () => {
    for (const entriesMax of [0, 1.5, NaN, Infinity])
      expect(() => core(entriesMax)).toThrow(refusal("entriesMax"));
    for (const sizeBytesMax of [-1, 1.5, Infinity])
      expect(() => core(1, sizeBytesMax)).toThrow(refusal("sizeBytesMax"));
    expect(core(1, 0).put("a", 0, 50, 0).added).toBeDefined();
    expect(() => core(1, 1, "mru" as EvictionPolicy)).toThrow(refusal("policy"));
  });
});

describe("a key", () => {
  it("has 1 to 512 characters", () => {
    expect(core().put("k".repeat(512), 1, 50, 0).added).toBeDefined();
    for (const key of ["", "k".repeat(513), "a\0b", "\ud800"]) {
      expect(() => core().put(key, 1, 50, 0)).toThrow(refusal("key"));
    }
  });

  it("is removed once, and not at all when its entry has expired", () => {
    const cache = core();
    cache.put("a", 1, 50, 0);
    cache.put("b", 1, 10, 0);
    expect(keysOf(cache.remove(["a", "a"], 20))).toEqual(["a invalidated"]);
    expect(keysOf(cache.remove(["a"], 20))).toEqual([]);
    expect(keysOf(cache.remove(["b"], 20))).toEqual(["b expired"]);
  });
});

it("a broken entry leaves, and the hit that found it becomes a miss", () => {
  const cache = core();
  cache.put("a", 1, 50, 0);
  const entry = cache.find("a", 0);
  expect(entry).toBeDefined();
  if (entry !== undefined) expect(keysOf(cache.broken(entry, 0))).toEqual(["a broken"]);
  expect(cache.counts).toMatchObject({ entries: 0, hits: 0, misses: 1, broken: 1 });
});

it("entries that return when their eviction is undone are the first to leave again, in their old order", () => {
  const cache = core(9);
  for (const key of ["a", "b", "c"]) cache.put(key, 30, 50, 0);
  const change = cache.put("large", 70, 50, 0);
  expect(keysOf(change)).toEqual(["a outweighed", "b outweighed"]);
  cache.undo(change);
  expect(keysOf(cache.put("larger", 100, 50, 0))).toEqual(["a outweighed", "b outweighed", "c outweighed"]);
});

describe("entries of an earlier life", () => {
  const entry = (id: number, key: string, expiresAtMs = 100): Parameters<CacheCore["load"]>[0] => ({
    id,
    key,
    sizeBytes: 1,
    storedAtMs: 0,
    expiresAtMs,
    leavesAtMs: expiresAtMs,
    tags: [],
    negative: false,
  });

  it("are taken in as if stored in the order of their ids, and new ids follow theirs", () => {
    const cache = core(2);
    for (const [index, key] of ["a", "b"].entries()) expect(cache.load(entry(index + 7, key))).toBe(true);
    const change = cache.put("c", 1, 50, 0);
    expect(change.added?.id).toBe(9);
    expect(keysOf(change)).toEqual(["a crowded"]);
  });

  it("of a key that is taken are refused and change nothing", () => {
    const cache = core();
    cache.load(entry(1, "a", 40));
    expect(cache.load(entry(2, "a", 60))).toBe(false);
    expect(cache.counts).toMatchObject({ entries: 1, sizeBytes: 1 });
    expect(cache.nextExpiryMs).toBe(40);
  });

  it("are trimmed to bounds that have become smaller, expired ones first", () => {
    const cache = core(1);
    for (const loaded of [entry(1, "a"), entry(2, "b", 10), entry(3, "c")]) cache.load(loaded);
    expect(keysOf(cache.trim(20))).toEqual(["b expired", "a crowded"]);
    expect(cache.counts.entries).toBe(1);
  });
});

describe("who makes room", () => {
  const victims = (policy: EvictionPolicy): string[] => {
    const cache = core(3, 100, policy);
    cache.put("often", 1, 500, 0);
    cache.put("old", 1, 400, 1);
    cache.put("soon", 1, 100, 2);
    for (const key of ["often", "often", "old", "soon"]) cache.find(key, 3);
    return keysOf(cache.put("new", 1, 500, 4));
  };

  it.each([
    ["lru", "often crowded"],
    ["lfu", "old crowded"],
    ["fifo", "often crowded"],
    ["ttl", "soon crowded"],
  ] as const)("is the policy's choice: %s", (policy, victim) => {
    expect(victims(policy)).toEqual([victim]);
  });

  it("by age is the oldest, however often it was found", () => {
    const cache = core(2, 100, "fifo");
    cache.put("a", 1, 50, 0);
    cache.put("b", 1, 50, 0);
    for (let n = 0; n < 9; n++) cache.find("a", 0);
    expect(keysOf(cache.put("c", 1, 50, 0))).toEqual(["a crowded"]);
  });

  it("by frequency is in the end also what was popular long ago", () => {
    const cache = core(2, 100, "lfu");
    cache.put("once popular", 1, 5_000, 0);
    for (let n = 0; n < 20; n++) cache.find("once popular", 0);
    const left: string[] = [];
    for (let n = 0; n < 60 && !left.includes("once popular crowded"); n++) {
      left.push(...keysOf(cache.put(`new ${n}`, 1, 5_000, 1)));
      cache.find(`new ${n}`, 1);
    }
    expect(left).toContain("once popular crowded");
  });
});

describe("a tag", () => {
  const options = (...tags: string[]) => ({ tags, staleMs: 0, negative: false });

  it("names all entries that have it, and none that have left", () => {
    const cache = core();
    cache.put("a", 1, 50, 0, options("x", "y"));
    cache.put("b", 1, 50, 0, options("y"));
    cache.put("c", 1, 50, 0, options("z"));
    expect(cache.keysTagged(["y"])).toEqual(["a", "b"]);
    cache.remove(["a"], 0);
    cache.put("b", 1, 50, 0, options("z"));
    expect(cache.keysTagged(["x", "y"])).toEqual([]);
    expect(cache.keysTagged(["z"])).toEqual(["c", "b"]);
  });

  it("has 1 to 256 characters on one line, and an entry 32 of them at most", () => {
    for (const tags of [[""], ["a\nb"], ["t".repeat(257)]])
      expect(() => core().put("a", 1, 50, 0, options(...tags))).toThrow(refusal("tags"));
    const many = Array.from({ length: LIMITS.cache.tags + 1 }, (_, index) => `t${index}`);
    expect(() => core().put("a", 1, 50, 0, options(...many))).toThrow(refusal("the number of tags"));
    expect(core().put("a", 1, 50, 0, options(...many.slice(1))).added).toBeDefined();
    expect(core().put("a", 1, 50, 0, options("t".repeat(256))).added).toBeDefined();
  });
});

it("a stale value is found by those who accept it only, and until its grace is over", () => {
  const cache = core();
  cache.put("a", 1, 50, 0, { tags: [], staleMs: 10, negative: false });
  const accepted = { stale: true, negative: false };
  expect(cache.find("a", 50)).toBeUndefined();
  expect(cache.find("a", 59, accepted)).toMatchObject({ expiresAtMs: 50, leavesAtMs: 60 });
  expect(cache.find("a", 60, accepted)).toBeUndefined();
  expect(cache.counts).toMatchObject({ hits: 1, staleHits: 1, misses: 2 });
  expect(keysOf(cache.expire(59, 9))).toEqual([]);
  expect(keysOf(cache.expire(60, 9))).toEqual(["a expired"]);
});

it("a failure is found by those who accept it only", () => {
  const cache = core();
  cache.put("a", 1, 50, 0, { tags: [], staleMs: 0, negative: true });
  expect(cache.find("a", 0)).toBeUndefined();
  expect(cache.find("a", 0, { stale: false, negative: true })).toMatchObject({ negative: true });
  expect(cache.counts).toMatchObject({ hits: 1, negativeHits: 1, misses: 1 });
});

// --- properties -------------------------------------------------------------------------------------------------------

const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key,
      sizeBytes: fc.integer({ min: 0, max: 12 }),
      ttlMs: fc.integer({ min: 0, max: 12 }),
      options: fc.record({
        tags: fc.uniqueArray(fc.constantFrom("x", "y", "z"), { maxLength: 2 }),
        staleMs: fc.constantFrom(0, 0, 3),
        negative: fc.constantFrom(false, false, true),
      }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("find" as const),
      key,
      accepted: fc.record({ stale: fc.boolean(), negative: fc.boolean() }),
      broken: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("remove" as const), keys: fc.array(key, { maxLength: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("untag" as const), tag: fc.constantFrom("x", "y", "z") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("expire" as const), limit: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);
const step = fc.record({ command, waitMs: fc.integer({ min: 0, max: 4 }) });
type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

/** Does the same to the cache and to its model, and returns what changed. */
function carryOut(
  command: Command,
  nowMs: number,
  cache: CacheCore,
  model: NaiveCache,
): CacheChange | undefined {
  switch (command.kind) {
    case "find": {
      const { key, accepted, broken } = command;
      const found = cache.find(key, nowMs, accepted);
      expect(found?.sizeBytes).toBe(model.find(key, nowMs, accepted, broken));
      return found !== undefined && broken ? cache.broken(found, nowMs) : undefined;
    }
    case "remove":
      model.remove(command.keys, nowMs);
      return cache.remove(command.keys, nowMs);
    case "untag": {
      const keys = cache.keysTagged([command.tag]);
      expect(keys.toSorted()).toEqual(model.keysTagged([command.tag]).toSorted());
      model.remove(keys, nowMs);
      return cache.remove(keys, nowMs);
    }
    case "expire":
      model.expire(nowMs, command.limit);
      return cache.expire(nowMs, command.limit);
    case "clear":
      model.clear(nowMs);
      return cache.clear(nowMs);
    case "put":
      break;
  }
  const { sizeBytes, ttlMs, options } = command;
  const put = (): CacheChange => cache.put(command.key, sizeBytes, ttlMs, nowMs, options);
  if (model.put(command.key, sizeBytes, ttlMs, nowMs, options)) return put();
  expect(put).toThrow(refusal("value"));
  return undefined;
}

describe("the cache", () => {
  const bounds = fc.record({
    entriesMax: fc.integer({ min: 1, max: 5 }),
    sizeBytesMax: fc.integer({ min: 0, max: 20 }),
    policy: fc.constantFrom(...EVICTION_POLICIES),
  });

  it("behaves by each policy like a list that is searched from end to end", () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120, size: "max" }), (bounds, steps) => {
        const cache = new CacheCore(bounds);
        const model = new NaiveCache(bounds);
        let nowMs = 0;
        for (const { command, waitMs } of steps) {
          nowMs += waitMs;
          carryOut(command, nowMs, cache, model);
          expect(cache.counts).toEqual(model.counts);
          expect(cache.nextExpiryMs).toBe(model.nextExpiryMs);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("is as it was before when its changes are undone in reverse order", () => {
    fc.assert(
      fc.property(
        bounds,
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.array(step, { maxLength: 60, size: "max" }),
        (bounds, kept, undone) => {
          const cache = new CacheCore(bounds);
          const model = new NaiveCache(bounds);
          let nowMs = 0;
          for (const { command, waitMs } of kept) carryOut(command, (nowMs += waitMs), cache, model);
          const { hits: _h, staleHits: _s, negativeHits: _n, misses: _m, ...before } = cache.counts;
          const soonest = cache.nextExpiryMs;
          const changes = undone.map(({ command, waitMs }) =>
            carryOut(command, (nowMs += waitMs), cache, model),
          );
          for (const change of changes.toReversed()) if (change !== undefined) cache.undo(change);
          expect(cache.counts).toMatchObject(before);
          expect(cache.nextExpiryMs).toBe(soonest);
        },
      ),
      { numRuns: 300 },
    );
  });
});
