import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { cacheKey } from "../../src/cache/near.protocol.ts";

it("a key is the hash of the canonical JSON of id and inputs, whatever the order of properties", () => {
  const key = cacheKey("load", { b: 1e2, a: [null, "ü"] });
  expect(key).toBe(cacheKey("load", { a: [null, "ü"], b: 100 }));
  expect(key).toBe(createHash("sha256").update('["load",{"a":[null,"ü"],"b":100}]').digest("hex"));
});

it("different pairs have different keys, also where their texts would run together", () => {
  const pairs: [string, unknown?][] = [["a:{}"], ["a", ":{}"], ["a"], ["a", null], ["a", [{}]], ["a", "{}"]];
  expect(new Set(pairs.map(([id, inputs]) => cacheKey(id, inputs))).size).toBe(pairs.length);
  expect(cacheKey("a")).toBe(cacheKey("a", {}));
});

it("inputs that JSON has no word for have no key", () => {
  expect(() => cacheKey("a", { at: [new Date(0)] })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error,
  );
});
