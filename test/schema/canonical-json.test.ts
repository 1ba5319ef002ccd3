import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { canonicalJson } from "../../src/schema/index.ts";

const fromBits = (bits: string): number => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${bits}`));
  return view.getFloat64(0);
};

describe("canonical JSON (RFC 8785)", () => {
  it("writes the example of section 3.2.2 as the RFC does", () => {
    const input: unknown = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`);
    expect(canonicalJson(input)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it("orders keys by UTF-16 code units, as in the example of section 3.2.3", () => {
    const input: unknown = JSON.parse(String.raw`{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }`);
    const order = Object.values(JSON.parse(canonicalJson(input)) as Record<string, string>);
    expect(order).toEqual([
      "One", // a number-like key: JSON.parse puts it first, and so does the order of code units after \r
      "Carriage Return",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
    expect(canonicalJson(input).startsWith(String.raw`{"\r":"Carriage Return","1":"One",`)).toBe(true);
  });

  it.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ])("writes the number with bits %s of appendix B as %s", (bits, text) => {
    expect(canonicalJson(fromBits(bits))).toBe(text);
  });

  it("gives equal values equal texts, whatever the order of their keys, and the text reads back as the value", () => {
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, field]) => [key, shuffled(field)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(shuffled(value))).toBe(text);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });

  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  it.each([
    ["NaN", { rows: [{ n: Number.NaN }] }, "rows[0].n is NaN"],
    ["an infinity", Number.NEGATIVE_INFINITY, "the value is -Infinity"],
    ["undefined in a field", { a: undefined }, "a is undefined"],
    ["a hole in an array", Array(1), "[0] is undefined"],
    ["a bigint", [5n], "[0] is the bigint 5"],
    ["a date, which would become text", { at: new Date(0) }, "at is an instance of Date"],
    ["bytes", { raw: new Uint8Array(1) }, "raw is an instance of Uint8Array"],
    ["a function", { run: () => 1 }, "run is a function"],
    ["a symbol", { s: Symbol("x") }, "s is a symbol"],
    ["half a surrogate pair", { t: "\udc00" }, "t is text with half a surrogate pair"],
    ["half a surrogate pair in a key", { "\ud800": 1 }, "a key with half a surrogate pair"],
    ["a cycle", cyclic, "nested too deep, or a cycle"],
  ])("refuses %s and names its place", (_, value, sentence) => {
    expect(() => canonicalJson(value)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(sentence) as string,
      }),
    );
  });

  it("takes a value as deep as allowed", () => {
    let value: unknown = 1;
    for (let level = 0; level < LIMITS.schema.canonicalDepth; level++) value = [value];
    expect(canonicalJson(value)).toHaveLength(2 * LIMITS.schema.canonicalDepth + 1);
    expect(() => canonicalJson([value])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
