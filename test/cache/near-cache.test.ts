import { describe, expect, it } from "vitest";
import { Generation, NearCache } from "../../src/cache/near.protocol.ts";
import { LIMITS } from "../../src/errors/index.ts";

function open(bounds: { entriesMax?: number; bytesMax?: number } = {}) {
  const shared = Generation.create();
  const near = new NearCache(new Generation(shared), bounds);
  const keep = (key: string, { bytes = 1, nowMs = 0, expiresAtMs = 1e6 } = {}): void =>
    near.keep(key, { value: new Uint8Array(bytes), storedAtMs: 0, expiresAtMs }, near.mark(key), nowMs);
  return { near, keep, generation: new Generation(shared) };
}

describe("a thread's own copy", () => {
  it("is trusted until its key is moved, or all keys are", () => {
    const { near, keep, generation } = open();
    for (const move of [() => generation.moveKey("a"), () => generation.moveAll()]) {
      keep("a");
      expect(near.find("a", 1)).toMatchObject({ expiresAtMs: 1e6 });
      move();
      expect(near.find("a", 1)).toBeUndefined();
    }
  });

  it("is not trusted when its key moved while the answer was under way", () => {
    const { near, generation } = open();
    const mark = near.mark("a");
    generation.moveKey("a");
    near.keep("a", { value: new Uint8Array(1), storedAtMs: 0, expiresAtMs: 9 }, mark, 0);
    expect(near.find("a", 1)).toBeUndefined();
  });

  it("outlives a move of most other keys", () => {
    const { near, keep, generation } = open();
    keep("a");
    const others = Array.from({ length: 200 }, (_, index) => `other ${index}`);
    for (const key of others.filter((key) => generation.stripeOf(key) !== generation.stripeOf("a")))
      generation.moveKey(key);
    expect(near.find("a", 1)).toBeDefined();
  });

  it("ends with its time, by the wall clock, and after ten seconds at the latest", () => {
    const { near, keep } = open();
    keep("a", { expiresAtMs: 50 });
    expect(near.find("a", 49)).toBeDefined();
    expect(near.find("a", 50)).toBeUndefined();
    keep("a", { nowMs: 100 });
    expect(near.find("a", 99 + LIMITS.cache.nearMs)).toBeDefined();
    expect(near.find("a", 100 + LIMITS.cache.nearMs)).toBeUndefined();
    keep("a", { nowMs: 100 });
    expect(near.find("a", 99)).toBeUndefined();
  });

  it("makes room for others unless it was read of late, in entries and in bytes", () => {
    const { near, keep } = open({ entriesMax: 2, bytesMax: 10 });
    keep("a");
    keep("b");
    near.find("a", 1);
    keep("c");
    expect(["a", "b", "c"].filter((key) => near.find(key, 1))).toEqual(["a", "c"]);
    keep("d", { bytes: 9 });
    keep("larger than all", { bytes: 11 });
    expect(["a", "c", "d", "larger than all"].filter((key) => near.find(key, 1))).toEqual(["c", "d"]);
  });

  it("that is read counts, now and then", () => {
    const { near, keep, generation } = open();
    keep("a");
    for (let n = 0; n < 1_025; n++) near.find("a", 1);
    expect(generation.reads).toBe(1_024);
    near.tellReads();
    expect(generation.reads).toBe(1_025);
  });
});

it("keys are spread over the stripes", () => {
  const { generation } = open();
  const stripes = new Set(Array.from({ length: 4_096 }, (_, index) => generation.stripeOf(`key:${index}`)));
  // Of so many throws into as many places, 63 % of the places are hit.
  expect(stripes.size).toBeGreaterThan(2_400);
});
