import * as fc from "fast-check";
import { expect, it } from "vitest";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { valueCopies } from "../../src/system/value-copies.ts";

it("copies of a packed value are what decoding it would give, each the reader's own", () => {
  const values = fc.anything({ withNullPrototype: false, maxDepth: 4 });
  fc.assert(
    fc.property(values, (value) => {
      let bytes: Uint8Array;
      try {
        bytes = packValue(value);
      } catch {
        return; // not a value that can be kept
      }
      const copy = valueCopies(bytes);
      const [first, second] = [copy(), copy()];
      expect(first).toStrictEqual(unpackValue(bytes));
      expect(second).toStrictEqual(first);
    }),
  );
});

it("what a reader does to its copy is not seen in the next one", () => {
  const copy = valueCopies(packValue({ list: [{ n: 1 }], bytes: new Uint8Array([1]) }));
  const plain = valueCopies(packValue({ list: [{ n: 1 }, []], of: { deep: { n: 1 } } }));
  for (const make of [copy, plain]) {
    const before = make();
    const spoilt = make() as { list: { n: number }[]; bytes?: Uint8Array; of?: { deep: { n: number } } };
    spoilt.list.push({ n: 2 });
    if (spoilt.list[0]) spoilt.list[0].n = 9;
    spoilt.bytes?.fill(9);
    if (spoilt.of) spoilt.of.deep.n = 9;
    expect(make()).toStrictEqual(before);
  }
});

it("bytes that are no packed value are refused", () => {
  expect(() => valueCopies(packValue("cut off").slice(0, 3))).toThrow();
});
