import { describe, expect, it } from "vitest";
import { ownMember } from "../../src/schema/index.ts";

describe("a member of a value", () => {
  it.each([
    ["a field", { a: 1 }, "a", 1],
    ["a field without a value", { a: undefined }, "a", undefined],
    ["a field that is named like something inherited", { constructor: 1 }, "constructor", 1],
    [
      "a field of an object without a prototype",
      Object.assign(Object.create(null) as object, { a: 1 }),
      "a",
      1,
    ],
    ["a field under a number", { 0: "x" }, 0, "x"],
    ["an item", ["x", "y"], 1, "y"],
    ["an item by the text of its index", ["x", "y"], "1", "y"],
  ])("is found: %s", (_, value, key, expected) => expect(ownMember(value, key)).toEqual({ value: expected }));

  it.each([
    ["what an object inherits", {}, "constructor"],
    ["a method that an object inherits", {}, "toString"],
    ["the prototype", {}, "__proto__"],
    ["a key that no object should have", JSON.parse('{"__proto__":{"admin":true}}'), "__proto__"],
    ["what an array inherits", [1], "map"],
    ["the length of an array", [1], "length"],
    ["an item beyond the end", [1], 1],
    ["an item before the start", [1], -1],
    ["an item under a text that is no index", [1], "00"],
    ["a part of a text", "text", 0],
    ["the length of a text", "text", "length"],
    ["a byte", new Uint8Array(1), 0],
    ["a part of a date", new Date(0), "getTime"],
    ["a part of nothing", null, "a"],
    ["a part of what is not there", undefined, "a"],
    ["a part of a function", () => 1, "name"],
  ])("is never %s", (_, value, key) => expect(ownMember(value, key)).toBeUndefined());
});
