import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import {
  checkInteger,
  checkKeys,
  checkName,
  checkNumber,
  checkPage,
  isName,
} from "../../src/schema/index.ts";

const refusal = (argument: string, got: string, allowed: string): unknown =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", details: { argument, got, allowed } });

class Amount {
  readonly value = 1;
}

describe("an integer argument", () => {
  it("is accepted at its bounds", () => {
    checkInteger("n", 1, 1, 5);
    checkInteger("n", 5, 1, 5);
    checkInteger("n", Number.MAX_SAFE_INTEGER, 1);
  });

  it.each([
    [0, "0"],
    [6, "6"],
    [1.5, "1.5"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    ["3", '"3"'],
    ["x".repeat(1_000_000), `"${"x".repeat(40)}"… (1000000 characters)`],
    [2n, "the bigint 2"],
    [2n ** 10_000_000n, "a bigint of more than 128 bits"],
    [undefined, "missing"],
    [Symbol("s"), "a symbol"],
    [new Amount(), "an instance of Amount"],
    [
      {
        toString: () => {
          throw new Error("poison");
        },
      },
      "an object",
    ],
  ])("that is none from 1 to 5 is refused, and the sentence says in short what it was: %#", (value, got) => {
    const refused = refusal("n", got, "an integer from 1 to 5");
    expect(() => checkInteger("n", value as number, 1, 5)).toThrow(refused);
  });

  it("that a number cannot hold exactly is refused even without an upper bound", () => {
    const refused = refusal("n", "9007199254740992", "an integer from 0");
    expect(() => checkInteger("n", Number.MAX_SAFE_INTEGER + 1, 0)).toThrow(refused);
  });
});

describe("a number argument", () => {
  it("is accepted at its bounds and between", () => {
    for (const value of [-1, 0.5, 1]) checkNumber("x", value, -1, 1);
  });

  it.each([
    [-1.1, "-1.1"],
    [1.1, "1.1"],
    [NaN, "NaN"],
    ["0", '"0"'],
  ])("of %s is refused where -1 to 1 is allowed", (value, got) => {
    const refused = refusal("x", got, "a number from -1 to 1");
    expect(() => checkNumber("x", value as number, -1, 1)).toThrow(refused);
  });
});

describe("a page", () => {
  it("is accepted at its limits and refused outside of them", () => {
    const { pageItems } = LIMITS.lists;
    checkPage({ offset: 0, limit: 1 });
    checkPage({ offset: 1_000_000, limit: pageItems });
    expect(() => checkPage({ offset: -1, limit: 1 })).toThrow(refusal("offset", "-1", "an integer from 0"));
    for (const limit of [0, pageItems + 1]) {
      const refused = refusal("limit", String(limit), `an integer from 1 to ${pageItems}`);
      expect(() => checkPage({ offset: 0, limit })).toThrow(refused);
    }
  });
});

describe("a name", () => {
  it("is accepted from one character to its limit", () => {
    checkName("id", "x", 8);
    checkName("id", "x".repeat(8), 8);
    expect(isName("\u{1f600}", 2)).toBe(true);
  });

  it.each([
    ["", "0 characters long"],
    ["x".repeat(9), "9 characters long"],
    ["a\0b", String.raw`"a\u0000b"`],
    ["a\ud800", String.raw`"a\ud800"`],
    [7, "number"],
  ])("of %j is refused, and the sentence says what it was", (value, got) => {
    const allowed = "1 to 8 characters of well-formed text without NUL";
    expect(isName(value, 8)).toBe(false);
    expect(() => checkName("id", value, 8)).toThrow(refusal("id", got, allowed));
  });
});

describe("an object of options", () => {
  it("is accepted with some of the known keys, and refused with any other, which is named", () => {
    checkKeys("options", {}, ["a", "b"]);
    checkKeys("options", { b: undefined }, ["a", "b"]);
    expect(() => checkKeys("options", { a: 1, "c d": 2 }, ["a", "b"])).toThrow(
      refusal('options["c d"]', "no option", "one of a, b"),
    );
    expect(() => checkKeys("options", [], ["a"])).toThrow(refusal("options", "an array of 0", "an object"));
  });
});
