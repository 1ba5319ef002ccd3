import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Reference, TooLargeError } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { OVERSIZED, UNSENDABLE } from "../kit/poison.ts";
import { anyWireValue, expectSame } from "./any-wire-value.ts";
import { Line } from "./line.ts";

describe("a stream of values", () => {
  it("brings every wire value as it was sent", () => {
    fc.assert(
      fc.property(fc.array(anyWireValue, { maxLength: 8 }), (values) => {
        const line = new Line();
        for (const value of values) expectSame(line.send(value), value);
      }),
      { numRuns: 300 },
    );
  });

  it("brings a text of any length, in one to four bytes per character", () => {
    const line = new Line();
    for (const character of ["a", "é", "€", "😀"]) {
      for (let length = 0; length < 300; length++)
        expectSame(line.send(character.repeat(length)), character.repeat(length));
      for (const edge of [4_096, 16_384, 21_845, 32_768, 65_536]) {
        for (const length of [edge - 1, edge, edge + 1])
          expectSame(line.send(character.repeat(length)), character.repeat(length));
      }
    }
  });

  it("lets the memory of a large message go, and is as good after it", () => {
    const line = new Line();
    const large = {
      text: "é".repeat(400_000),
      bytes: new Uint8Array(500_000).fill(7),
      list: Array(9_000).fill("x"),
    };
    for (let time = 0; time < 3; time++) {
      expectSame(line.send(large), large);
      expectSame(line.send({ small: time }), { small: time });
    }
  });

  it("brings what is nested as deeply as a wire value may be, and refuses what is nested without end", () => {
    let nested: unknown = 1;
    for (let level = 0; level < LIMITS.schema.wireDepth; level++)
      nested = level % 2 === 0 ? [nested] : { nested };
    expectSame(new Line().send(nested), nested);
    for (let level = 0; level < 10_000; level++) nested = [nested];
    expect(() => new Line().encode(nested)).toThrow(RangeError);
  });

  it("is written as the wire protocol's page says, so that a peer of another make can read it", () => {
    const line = new Line();
    const hex = (value: unknown): string => line.encode(value).toString("hex");
    expect([0, 63, 64, 256, -1, -33].map(hex)).toEqual(["00", "3f", "cc40", "cd0100", "ff", "d2ffffffdf"]);
    expect([2 ** 40, 0.5, 1n, 2n ** 63n].map((number) => hex(number).slice(0, 2))).toEqual([
      "cb",
      "cb",
      "d3",
      "cf",
    ]);
    expect([undefined, null, false, true].map(hex)).toEqual(["d40000", "c0", "c2", "c3"]);
    expect(["a", new Uint8Array([7]), [1, 2]].map(hex)).toEqual(["a161", "c40107", "920102"]);
    expect([new Date(1_000), new Date(NaN)].map(hex)).toEqual(["d6ff00000001", "d4ffff"]);
    expect([{ a: 1 }, { b: 1, a: 2 }, { a: 3 }].map(hex)).toEqual(["4001", "410102", "4003"]);
    expect(Buffer.from(line.encoder.definitions()).toString("hex")).toBe("9291a16192a162a161");
    const large = { ["x".repeat(1_000)]: 1 };
    expect(hex(large)).toMatch(/^81da03e8(78){1000}01$/);
  });
});

describe("an object with an awkward key", () => {
  it("leaves the shapes of all others as they are, though the packer uses that key for its own notes", () => {
    const line = new Line();
    for (const value of [
      { a: 1, __keys__: 2 },
      { a: 1 },
      { __keys__: { a: 1 } },
      {},
      { a: 3 },
      { a: 1, __keys__: [] },
    ]) {
      expectSame(line.send(value), value);
    }
  });

  it("may have more keys beside it than a short map can count", () => {
    const table = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, 0]));
    const line = new Line();
    expectSame(line.send({ ...table, __keys__: 1 }), { ...table, __keys__: 1 });
  });

  it("is data, though the key is the name of a method", () => {
    const line = new Line();
    for (const value of [
      { constructor: 1, toJSON: "x" },
      { hasOwnProperty: 1 },
      { toString: null, valueOf: 3 },
    ]) {
      expectSame(line.send(value), value);
    }
  });

  it("may hold any number, though its bytes are those of a record elsewhere", () => {
    const line = new Line();
    const numbers = Array.from({ length: 300 }, (_, index) => index - 20);
    for (let time = 0; time < 3; time++) {
      for (const value of [{ numbers }, { constructor: "x", numbers, deep: [{ numbers }] }]) {
        expectSame(line.send(value), value);
      }
      const bare = Object.assign(Object.create(null) as object, { numbers, deep: [{ numbers }] });
      expectSame(line.send(bare), { ...bare });
    }
  });

  it("may have more keys than a short map can count, though it is not made by a literal", () => {
    const table = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, 100]));
    const bare = Object.assign(Object.create(null) as object, table);
    expectSame(new Line().send(bare), table);
  });
});

describe("what is no wire value", () => {
  it.each(UNSENDABLE)("is refused by a stream, which goes on: %s", (_, make) => {
    const line = new Line();
    const good = { a: 1, rows: [{ id: 1 }, { id: 2 }] };
    for (let time = 0; time < 40; time++) {
      expect(() => line.encode({ a: make() })).toThrow();
      expect(() => line.encode({ rows: [{ id: 1 }, { id: make() }], more: time })).toThrow();
      expectSame(line.send(good), good);
    }
  });

  it("is a value of more bytes than a message may have, refused before all of it is written", () => {
    const line = new Line();
    for (const [name, make] of OVERSIZED(LIMITS.actor.messageBytes)) {
      // Five million keys take longer to make than to refuse.
      if (name !== "many keys") expect(() => line.encode({ a: make() })).toThrow(TooLargeError);
    }
    expectSame(line.send({ a: 1 }), { a: 1 });
  });

  it("may use the stream while the stream reads it, and nothing is mixed up", () => {
    const line = new Line();
    const inner: unknown[] = [];
    const using = (n: number): object => ({
      n,
      get other() {
        inner.push(line.send({ inner: { n }, of: "it" }));
        return { n };
      },
      last: [n],
    });
    for (let n = 0; n < 50; n++) expectSame(line.send(using(n)), { n, other: { n }, last: [n] });
    expectSame(
      inner,
      Array.from({ length: 50 }, (_, n) => ({ inner: { n }, of: "it" })),
    );
  });
});

describe("what is decoded", () => {
  it("has nothing of the memory it came from, whose bytes are soon overwritten", () => {
    const line = new Line();
    const bytes = new Uint8Array([1, 2, 3]);
    const value = { short: "text", long: "é".repeat(5_000), bytes, deep: [[bytes, new Uint8Array(10_000)]] };
    for (let time = 0; time < 3; time++) {
      const arrived = line.send(value) as typeof value;
      expect(arrived).toStrictEqual(value);
      expect(arrived.bytes.buffer).toBeInstanceOf(ArrayBuffer);
    }
  });

  it("has byte strings with memory of their own, and many short ones of one message share theirs", () => {
    const line = new Line();
    const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(length);
    const few = line.send([bytes(3), bytes(5)]) as Uint8Array[];
    expect(few.map(({ buffer }) => buffer.byteLength)).toEqual([3, 5]);
    const lengths = [3, 1_025, ...Array.from({ length: 99 }, (_, index) => 200 + index)];
    for (let time = 0; time < 2; time++) {
      const many = line.send(lengths.map(bytes)) as Uint8Array[];
      expect(many).toStrictEqual(lengths.map(bytes));
      const owners = Map.groupBy(many, ({ buffer }) => buffer);
      expect(owners.get(many[1]?.buffer ?? new ArrayBuffer())).toEqual([bytes(1_025)]);
      expect(owners.size).toBeLessThan(6);
      for (const [{ byteLength }] of owners) expect(byteLength).toBeLessThanOrEqual(8_192);
      expect(few.every(({ buffer }) => !owners.has(buffer))).toBe(true);
      few.push(...many);
    }
  });

  it("has lost the sign of zero, and nothing else of any number", () => {
    expect(new Line().send(-0)).toBe(0);
    for (const number of [
      Number.MIN_VALUE,
      -Number.MAX_VALUE,
      2 ** 53 + 2,
      -(2 ** 31),
      0.1,
      NaN,
      -Infinity,
    ]) {
      expect(new Line().send([number])).toEqual([number]);
    }
  });

  it("still knows a reference from plain data", () => {
    const line = new Line();
    const reference = new Reference("ab".repeat(32), 70_000, ["rows", 3]);
    const poser = { sha256: reference.sha256, sizeBytes: reference.sizeBytes, path: reference.path };
    const arrived = line.send({ reference, poser, again: [reference] }) as Record<string, unknown>;
    expect(arrived).toStrictEqual({ reference, poser, again: [reference] });
    expect(arrived["reference"]).toBeInstanceOf(Reference);
    expect(arrived["poser"]).not.toBeInstanceOf(Reference);
  });
});

describe("a value that cannot be encoded", () => {
  const cycle: Record<string, unknown> = { unseen: 1 };
  cycle["self"] = cycle;

  it.each([
    ["a cycle", cycle],
    ["a symbol", { unseen: Symbol("s") }],
    ["a bigint of more than 64 bits", { unseen: 2n ** 64n }],
  ])("is refused and leaves the stream sound: %s", (_, value) => {
    const line = new Line();
    line.send({ known: 1 });
    expect(() => line.encode([{ fresh: 1 }, value])).toThrow();
    expectSame(line.send([{ known: 1 }, { fresh: 2 }, { unseen: 3 }]), [
      { known: 1 },
      { fresh: 2 },
      { unseen: 3 },
    ]);
  });

  it("does not use up the room for definitions", () => {
    const line = new Line();
    for (let time = 0; time < 100; time++) {
      expect(() => line.encode([{ aLongKeyThatIsNeverLearned: time }, Symbol("s")])).toThrow();
    }
    const nearlyAll = { ["x".repeat(900)]: 1 };
    line.send(nearlyAll);
    expect(line.encode(nearlyAll)).toHaveLength(2);
  });
});
