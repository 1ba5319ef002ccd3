import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { LIMITS, isFault } from "../../src/errors/index.ts";
import { assertWire, findNonWire } from "../../src/schema/index.ts";
import { OVERSIZED, UNSENDABLE, emptyList, nested } from "../kit/poison.ts";

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
  it.each(UNSENDABLE)("%s", (_, make, found) => expect(findNonWire({ a: make() })).toEqual(found));

  it("with its keys and indices", () => {
    expect(findNonWire(() => 1)).toBe("a function");
    expect(findNonWire({ rows: [1, { done: () => 1 }] })).toBe("a function at rows[1].done");
    expect(findNonWire({ "odd key": Symbol("s") })).toBe('a symbol at ["odd key"]');
  });

  it("by the beginning of its place, where that is deep or has long keys", () => {
    expect(findNonWire(Array.from({ length: 200 }).reduce<unknown>((inner) => [inner], 1))).toBe(
      `something nested deeper than 128 at ${"[0]".repeat(20)}…`,
    );
    expect(findNonWire({ ["k".repeat(1_000_000)]: () => 1 })).toBe(
      `a function at ["${"k".repeat(40)}"… (1000000 characters)]`,
    );
  });

  it("not when the caller allows for more levels", () => {
    expect(findNonWire(nested(LIMITS.schema.wireDepth + 1))).toMatch(/^something nested deeper than 128/);
    expect(findNonWire(nested(200), { depthMax: 200 })).toBeUndefined();
  });
});

describe("a value larger than allowed is found to be so", () => {
  it.each(OVERSIZED(1_000))("by %s, before it has been walked", (_, make) => {
    expect(findNonWire({ a: make() }, { bytesMax: 1_000 })).toBe("more than 1000 bytes");
  });

  it("and one that just fits is not", () => {
    expect(findNonWire({ a: "x".repeat(900) }, { bytesMax: 1_000 })).toBeUndefined();
  });

  it("also where the caller has no bound of its own", () => {
    expect(findNonWire(emptyList())).toBe(`more than ${LIMITS.schema.wireBytes} bytes`);
  });
});

describe("what the caller knows to cross", () => {
  it("is a part of a wire value like any other, and is not looked into", () => {
    const isWhole = (value: object): boolean => value instanceof Account;
    expect(findNonWire({ a: [new Account()] }, { isWhole })).toBeUndefined();
    expect(findNonWire({ a: new Map() }, { isWhole })).toBe("an instance of Map at a");
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
