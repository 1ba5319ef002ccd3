import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { LIMITS, isFault } from "../../src/errors/index.ts";
import { assertWire, findNonWire } from "../../src/schema/index.ts";

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
};

class Account {
  readonly balance = 1;
}

describe("a value that can cross a thread", () => {
  it.each([
    ["nothing", null],
    ["a missing field", { a: undefined }],
    ["numbers, not finite ones included", [1, -0, Number.NaN, Number.POSITIVE_INFINITY]],
    ["the largest and smallest bigint of 64 bits", [2n ** 64n - 1n, -(2n ** 63n)]],
    ["text with a surrogate pair", "💾"],
    ["bytes", new Uint8Array(2)],
    ["a buffer", Buffer.from("x")],
    ["a date", new Date(0)],
    ["objects in arrays in objects", { rows: [{ deep: [true, "x"] }] }],
    ["an object without a prototype", Object.assign(Object.create(null) as object, { a: 1 })],
    ["an object of another realm", runInNewContext("({ a: [1] })")],
    ["the same object at two places", [nested(1), nested(1)]],
    ["something nested as deep as allowed", nested(LIMITS.schema.wireDepth)],
  ])("is %s", (_, value) => expect(findNonWire(value)).toBeUndefined());
});

describe("what cannot cross is named with its place", () => {
  const cyclic: { list: unknown[] } = { list: [] };
  cyclic.list.push(cyclic);
  it.each([
    ["a function", () => 1, "a function"],
    ["a function in a field", { rows: [1, { done: () => 1 }] }, "a function at rows[1].done"],
    ["a symbol", { "odd key": Symbol("s") }, 'a symbol at ["odd key"]'],
    ["a cycle", cyclic, "a cycle at list[0]"],
    ["a class instance", { account: new Account() }, "an instance of Account at account"],
    ["a map", { table: new Map() }, "an instance of Map at table"],
    ["a promise", [Promise.resolve()], "an instance of Promise at [0]"],
    ["other numbers than bytes", new Float64Array(1), "an instance of Float64Array"],
    ["a bigint of more than 64 bits", { big: 2n ** 64n }, "a bigint of more than 64 bits at big"],
    ["half a surrogate pair", { text: "\ud800" }, "half a surrogate pair at text"],
    [
      "a key __proto__",
      JSON.parse('{"a":{"__proto__":1}}'),
      "a key that no object should have at a.__proto__",
    ],
  ])("%s", (_, value, found) => expect(findNonWire(value)).toBe(found));

  it("something nested deeper than allowed", () => {
    expect(findNonWire(nested(LIMITS.schema.wireDepth + 1))).toMatch(
      /^something nested deeper than 128 at \[0\]\[0\]/,
    );
  });
});

describe("assertWire", () => {
  it("lets a wire value pass and refuses another with NOT_A_WIRE_VALUE", () => {
    expect(() => assertWire({ a: [1] }, "the input")).not.toThrow();
    try {
      assertWire({ a: [() => 1] }, "the input of task t1");
      expect.unreachable();
    } catch (error) {
      expect(isFault(error, "NOT_A_WIRE_VALUE") && error.message).toBe(
        "the input of task t1 holds a function at a[0], which cannot be sent to another thread",
      );
    }
  });
});
