import * as fc from "fast-check";
import { expect, it } from "vitest";
import { plainJson } from "../../src/tools/index.ts";

/** The slow way to the same: through the text. */
function throughText(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint" || (typeof part === "number" && !Number.isFinite(part))) return String(part);
    return part instanceof Uint8Array ? { base64: Buffer.from(part).toString("base64") } : part;
  });
  return JSON.parse(text);
}

const anyValue = fc.anything({
  withBigInt: true,
  withDate: true,
  withTypedArray: true,
  withSparseArray: true,
  withNullPrototype: true,
  withBoxedValues: false,
});

it("the plain copy of a value is what its JSON text would be read as", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      expect(plainJson({ value })).toEqual(throughText({ value }));
    }),
    { numRuns: 1_000 },
  );
});

it("what has its own form is asked for it, and a name of a prototype is a name like others", () => {
  const value = {
    at: new Date(0),
    own: { toJSON: (key: string) => ({ key, bytes: Uint8Array.of(1), left: undefined }) },
    zero: -0,
    list: [undefined, () => 1, Symbol.iterator],
    ...(JSON.parse('{"__proto__":{"a":1}}') as object),
  };
  const copy = plainJson(value);
  expect(copy).toEqual(throughText(value));
  expect(JSON.stringify(copy)).toBe(JSON.stringify(throughText(value)));
  expect(Object.is((copy as { zero: number }).zero, 0)).toBe(true);
});
