import { inspect, isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { expect } from "vitest";

/** Keys that mean something to JavaScript or to the packer, beside ordinary ones. */
const anyKey = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "",
      "constructor",
      "toJSON",
      "hasOwnProperty",
      "prototype",
      "length",
      "__keys__",
      "then",
      "0",
      "4294967295",
      "a-b",
      "a\nb",
      '"',
      "\\",
      "π",
      "𝒳",
      "__defineGetter__",
    ),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 60 }).map((number) => `k${number}`) },
);

/** Lengths around which the encoding of a text changes. */
const anyEdgeText = fc
  .tuple(
    fc.constantFrom("a", "é", "€", "😀"),
    fc.constantFrom(15, 16, 31, 32, 63, 64, 65, 127, 255, 256, 70_000),
  )
  .map(([unit, length]) => unit.repeat(length));

/** The sign of zero is the one thing about a number that does not cross. */
const unsignedZero = (number: number): number => (number === 0 ? 0 : number);

const anyLeaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, NaN, Infinity, -Infinity),
  // Around where the encoding of a number changes.
  fc.integer({ min: -140, max: 270 }),
  fc.integer(),
  fc.integer({ min: 2 ** 16 - 2, max: 2 ** 16 + 2 }),
  fc.integer({ min: 2 ** 31 - 2, max: 2 ** 32 + 2 }),
  fc.maxSafeInteger(),
  fc.double().map(unsignedZero),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.date(),
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: "binary" }),
  anyEdgeText,
);

const objectOf = (value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
  fc.uniqueArray(fc.tuple(anyKey, value), { selector: ([key]) => key, maxLength: 12 }).map(
    // By definition, not by assignment: a key may be one that assignment treats in its own way.
    (entries) => Object.fromEntries(entries.filter(([key]) => key !== "__proto__")),
  );

/** Many objects with the same keys in the same order, and whatever values. */
export const anyUniformObjects: fc.Arbitrary<object[]> = fc
  .uniqueArray(anyKey, { minLength: 1, maxLength: 6 })
  .map((keys) => keys.filter((key) => key !== "__proto__"))
  .chain((keys) =>
    fc
      .array(fc.tuple(...keys.map(() => anyLeaf)), { minLength: 70, maxLength: 90 })
      .map((rows) => rows.map((row) => Object.fromEntries(keys.map((key, index) => [key, row[index]])))),
  );

/** Everything that can cross a thread, nested. */
export const anyWireValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    anyLeaf,
    fc.array(tie("value"), { maxLength: 6 }),
    objectOf(tie("value")),
  ),
})).value;

/** Flat objects of so many shapes that a stream's memory of them overflows, some of them too large to remember. */
export const anyShapedObject: fc.Arbitrary<Record<string, number>> = fc
  .tuple(fc.integer({ min: 0, max: 70 }), fc.integer(), fc.boolean())
  .map(([shape, value, large]) =>
    large && shape % 7 === 0
      ? Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`large${shape}-${index}`, value]))
      : { [`shape${shape}`]: value, common: shape, [`last${shape % 3}`]: value },
  );

/** As the same data of the same classes. The runner's own comparison takes a key named "constructor" for a class. */
export function expectSame(arrived: unknown, sent: unknown): void {
  if (!isDeepStrictEqual(arrived, sent))
    expect.fail(`${inspect(arrived)} arrived in place of ${inspect(sent)}`);
}
