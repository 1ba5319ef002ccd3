import { describe, expect, it } from "vitest";

import { Reference } from "../../src/codec/index.ts";
import { cacheKey, contentKey } from "../../src/workflow/content-key.ts";

describe("a content key", () => {
  it("does not depend on the order of keys", () => {
    expect(contentKey({ a: 1, b: { c: [2], d: null } })).toBe(contentKey({ b: { d: null, c: [2] }, a: 1 }));
    expect(contentKey({})).toMatch(/^[0-9a-f]{64}$/);
  });

  it("tells values apart that JSON would write alike", () => {
    const alike = [
      null,
      undefined,
      "1",
      1,
      1n,
      new Date(1),
      { $date: 1 },
      { $object: { $date: 1 } },
      { $date: 1, more: 1 },
      new Date(Number.NaN),
      { $date: Number.NaN },
      new Reference("ab", 1, [0]),
      { $reference: ["ab", [0]] },
      { reference: "ab", path: [0] },
      { $undefined: true },
      { $bigint: "1" },
      { $bytes: "AQ==" },
      new Uint8Array([1]),
      [1],
      { a: undefined },
      {},
      NaN,
      Infinity,
    ];
    expect(new Set(alike.map((value) => contentKey({ value }))).size).toBe(alike.length);
  });

  it("takes a blob by its address and path", () => {
    const key = contentKey(new Reference("ab", 5, ["x"]));
    expect(key).toBe(contentKey(new Reference("ab", 6, ["x"])));
    expect(key).not.toBe(contentKey(new Reference("ab", 5)));
    expect(key).not.toBe(contentKey(new Reference("ac", 5, ["x"])));
  });
});

describe("a cache key", () => {
  it("is one for one action and one input", () => {
    expect(cacheKey("a", null, { x: 1 })).toBe(contentKey({ inputs: { x: 1 }, action: "a", module: null }));
    expect(cacheKey("a", null, { x: 1 })).not.toBe(cacheKey("b", null, { x: 1 }));
  });

  it("is another for another version of the handler's module", () => {
    expect(cacheKey("a", "ab", { x: 1 })).not.toBe(cacheKey("a", "cd", { x: 1 }));
  });

  it("is null for inputs that cannot be hashed", () => {
    expect(cacheKey("a", null, { x: "\ud800" })).toBeNull();
  });
});
