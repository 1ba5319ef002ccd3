import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Reference,
  addressesIn,
  addressesInPieces,
  packValue,
  tryPack,
  unpackValue,
} from "../../src/codec/index.ts";
import { OVERSIZED, UNSENDABLE } from "../kit/poison.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { anyWireValue, expectSame } from "./any-wire-value.ts";

const HASH = "0123456789abcdef".repeat(4);

/** MessagePack extension type 0x42 around any bytes. */
const asReference = (content: Uint8Array): Uint8Array =>
  Uint8Array.from([0xc7, content.length, 0x42, ...content]);

/** What unpacking gave, or that it threw an error; anything else fails the test. */
function attempt(bytes: Uint8Array): { readonly value?: unknown } {
  try {
    return { value: unpackValue(bytes) };
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return {};
  }
}

describe("a packed value", () => {
  it("is unpacked as it was packed, whatever wire value it is", () => {
    fc.assert(
      fc.property(anyWireValue, (value) => expectSame(unpackValue(packValue(value)), value)),
      { numRuns: 500 },
    );
  });

  it("has as many keys as its object has", () => {
    for (const keys of [0, 15, 16, 65_535, 65_536, 70_000]) {
      const table = Object.fromEntries(Array.from({ length: keys }, (_, index) => [`k${index}`, index]));
      expectSame(unpackValue(packValue(table)), table);
    }
  });

  it("is the caller's own: packing the next value, or changing it, touches no other", () => {
    const first = packValue({ a: new Uint8Array([1, 2, 3]) });
    const copy = Uint8Array.from(first);
    const value = unpackValue(first) as { a: Uint8Array };
    for (let time = 0; time < 1_000; time++) packValue({ a: time, text: "x".repeat(100) });
    expect(first).toStrictEqual(copy);
    expect(first.buffer.byteLength).toBe(first.length);
    first.fill(0);
    expect(value).toStrictEqual({ a: new Uint8Array([1, 2, 3]) });
  });

  it("gives plain byte strings, also when it is read from a Buffer that is part of a larger one", () => {
    const packed = packValue({ a: new Uint8Array([1, 2]) });
    const within = Buffer.concat([Buffer.alloc(11, 0xff), packed, Buffer.alloc(5, 0xff)]);
    expectSame(unpackValue(within.subarray(11, 11 + packed.length)), { a: new Uint8Array([1, 2]) });
    expectSame(unpackValue(packValue(Buffer.from([1, 2]))), new Uint8Array([1, 2]));
  });

  it("is data though its keys are names of methods, and never sets a prototype when it is unpacked", () => {
    const methods = { constructor: 1, toJSON: "x", hasOwnProperty: null };
    expectSame(unpackValue(packValue(methods)), methods);
    // As another packer may write it: a map of one key.
    const hostile = Uint8Array.of(0x81, 0xa9, ...Buffer.from("__proto__"), ...packValue({ admin: true }));
    const arrived = unpackValue(hostile) as Record<string, unknown>;
    expect(arrived["admin"]).toBeUndefined();
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
  });

  it("is plain MessagePack, which any reader decodes", () => {
    expect(packValue({ a: [1, true, null, "b"] })).toStrictEqual(
      Uint8Array.from([0x81, 0xa1, 0x61, 0x94, 1, 0xc3, 0xc0, 0xa1, 0x62]),
    );
  });
});

describe("what is no wire value", () => {
  it.each(UNSENDABLE)("is refused with its place, and nothing is packed: %s", (_, make, found) => {
    expect(tryPack({ a: make() })).toEqual({ found, isTooLarge: false });
    expect(() => packValue({ a: make() })).toThrow(
      expect.objectContaining({ code: "NOT_A_WIRE_VALUE", details: { what: "the value", found } }),
    );
    expectSame(unpackValue(packValue({ after: "it" })), { after: "it" });
  });

  it("is told from a value that only cannot be read twice", () => {
    let reads = 0;
    const once = {
      get a() {
        if (reads++ > 0) return 1;
        throw new Error("not yet");
      },
    };
    expect(tryPack(once)).toEqual({ found: "something that changes while it is read", isTooLarge: false });
  });

  it("is a reference that leads nowhere, too", () => {
    for (const path of [[Symbol("s")], [{}], "a", ["\ud800"], Array.from({ length: 129 }, () => 0)]) {
      const reference = new Reference(HASH, 9, path as string[]);
      expect(() => packValue(reference)).toThrow(expect.objectContaining({ code: "NOT_A_WIRE_VALUE" }));
    }
  });
});

describe("a value larger than allowed", () => {
  it.each(OVERSIZED(10_000))("is refused before all of it has been packed: %s", (_, make) => {
    expect(tryPack({ a: make() }, 10_000)).toEqual({ found: "more than 10000 bytes", isTooLarge: true });
  });

  it("is refused by one byte, and one that has just that many is not", () => {
    const value = ["x".repeat(1_000), new Uint8Array(1_000), { a: 2 ** 40, b: [null] }];
    const { length } = packValue(value);
    expect(tryPack(value, length)).toEqual({ bytes: packValue(value), references: [] });
    expect(tryPack(value, length - 1)).toMatchObject({ isTooLarge: true });
  });

  it("is refused in its next place as well as in the first", () => {
    for (let time = 0; time < 3; time++) {
      expect(tryPack("x".repeat(300_000), 1_000)).toMatchObject({ isTooLarge: true });
      expectSame(unpackValue(packValue({ time })), { time });
    }
  });
});

describe("a value that lies", () => {
  it("is packed as it was when it was read, once", () => {
    let reads = 0;
    const changing = {
      get a() {
        return reads++ === 0 ? 1 : new Map();
      },
    };
    expectSame(unpackValue(packValue(changing)), { a: 1 });
    expect(reads).toBe(1);
  });

  it("about the length of its bytes is not believed", () => {
    const bytes = Object.defineProperties(Uint8Array.of(1, 2, 3), {
      length: { value: 1_000_000 },
      byteLength: { value: 0 },
    });
    expectSame(unpackValue(packValue([bytes, "after"])), [Uint8Array.of(1, 2, 3), "after"]);
  });

  it("about its time is not believed", () => {
    const date = Object.assign(new Date(5), { getTime: () => "never", toJSON: () => "x" });
    expectSame(unpackValue(packValue([date])), [new Date(5)]);
  });

  it("about the length of its list is refused where it is no length", () => {
    for (const length of [-1, 0.5, Number.NaN, "2"]) {
      const list = new Proxy([], { get: (_, key) => (key === "length" ? length : 0) });
      expect(() => packValue([list])).toThrow(expect.objectContaining({ code: "NOT_A_WIRE_VALUE" }));
    }
  });

  it("may pack another while it is packed", () => {
    const inner: Uint8Array[] = [];
    const value = {
      before: "x".repeat(50),
      get a() {
        inner.push(packValue({ inner: inner.length }));
        return 1;
      },
      after: [1],
    };
    expectSame(unpackValue(packValue(value)), { before: "x".repeat(50), a: 1, after: [1] });
    expectSame(
      inner.map((bytes) => unpackValue(bytes)),
      [{ inner: 0 }],
    );
  });
});

describe("a reference", () => {
  it("survives, at any depth, with its path", () => {
    const reference = new Reference(HASH, 1_234_567, ["rows", 3, ""]);
    const arrived = unpackValue(packValue([reference, { deep: { reference } }]));
    expectSame(arrived, [reference, { deep: { reference } }]);
    expect(tryPack([reference, { deep: { reference } }])).toMatchObject({
      references: [reference, reference],
    });
    expect((arrived as unknown[])[0]).toBeInstanceOf(Reference);
  });

  it("leads further into the value that it stands for, and is itself never changed", () => {
    const whole = new Reference(HASH, 9);
    expect(whole.at("rows", 3).at("name").path).toEqual(["rows", 3, "name"]);
    expect(whole.path).toEqual([]);
  });

  it("is shown in JSON as what it stands for, with a path where it has one", () => {
    expect(JSON.parse(JSON.stringify(new Reference(HASH, 9)))).toEqual({ reference: HASH, sizeBytes: 9 });
    expect(JSON.parse(JSON.stringify(new Reference(HASH, 9, ["a"])))).toEqual({
      reference: HASH,
      sizeBytes: 9,
      path: ["a"],
    });
  });

  it("cannot be posed as by plain data, not even by its own JSON or its own fields", () => {
    const reference = new Reference(HASH, 9, ["a"]);
    for (const poser of [
      Object.fromEntries(Object.entries(reference)),
      reference.toJSON(),
      [HASH, 9, ["a"]],
      packValue(reference),
    ]) {
      const arrived = unpackValue(packValue(poser));
      expect(arrived).not.toBeInstanceOf(Reference);
      expectSame(arrived, poser);
    }
  });

  it("with damaged content is refused", () => {
    const damaged = [
      null,
      7,
      {},
      [],
      [HASH, 9],
      [HASH, "9", []],
      [9, 9, []],
      [HASH, 9, "a"],
      [HASH, 9, [null]],
      [HASH, 9, [], 1],
    ];
    for (const content of damaged) {
      expect(() => unpackValue(asReference(packValue(content)))).toThrow(
        "a reference holds a hash, a size and a path",
      );
    }
    expectSame(unpackValue(asReference(packValue([HASH, 9, ["a"]]))), new Reference(HASH, 9, ["a"]));
  });
});

describe("a damaged byte string", () => {
  it("is refused wherever it is cut off", () => {
    fc.assert(
      fc.property(
        anyWireValue,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (value, part) => {
          const packed = packValue(value);
          expect(() => unpackValue(packed.subarray(0, Math.floor(packed.length * part)))).toThrow();
        },
      ),
    );
  });

  it("is refused when something follows it", () => {
    for (const value of [1, "a", [1], { a: 1 }, null]) {
      expect(() => unpackValue(Uint8Array.from([...packValue(value), 0xc0]))).toThrow(
        expect.objectContaining({ code: "VALUE_CORRUPT" }),
      );
    }
  });

  it("is refused at once when it claims a length that it has not", () => {
    const huge = [0xff, 0xff, 0xff, 0xff];
    const claims = [
      [0xc6, ...huge], // bytes
      [0xdb, ...huge], // text
      [0xdd, ...huge], // list
      [0xdf, ...huge], // map
      [0xc9, ...huge, 0x42], // extension
      [0xdd, 0x7f, 0xff, 0xff, 0xff],
      [0xc4, 0xff],
      [0xd9, 0xff],
      [0xc7, 0xff, 0x42],
      [0x81, 0xdb, ...huge],
      [0xc7, 0x05, 0x62, ...huge, 0x00], // the packer's own extension for bundled texts
      [0xd6, 0x62, ...huge],
      [0xd6, 0x62, 0x80, 0, 0, 0],
    ];
    for (const claim of claims) expect(() => unpackValue(Uint8Array.from(claim))).toThrow();
  });

  it("cannot take more memory than in proportion to its own, by lists that claim what others have claimed", () => {
    // Each list is as long as what is left of the bytes: together they would be the square of it.
    const bytes = new Uint8Array(300_000);
    for (let at = 0; at < bytes.length; at += 5) {
      const left = bytes.length - at - 5;
      bytes.set([0xdd, (left >>> 24) & 0xff, (left >>> 16) & 0xff, (left >>> 8) & 0xff, left & 0xff], at);
    }
    expect(() => unpackValue(bytes)).toThrow("Unexpected end");
  });

  it("is refused when it is nested too deeply to be walked, and leaves the next one unharmed", () => {
    expect(() => unpackValue(new Uint8Array(1_000_000).fill(0x91))).toThrow(
      "Maximum call stack size exceeded",
    );
    expect(() => unpackValue(new Uint8Array(1_000_000).fill(0x81))).toThrow();
    expectSame(unpackValue(packValue({ a: 1 })), { a: 1 });
  });

  it("is never a graph: the packer's extensions for shared and cyclic objects are refused", () => {
    expect(() =>
      unpackValue(Uint8Array.from([0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1])),
    ).toThrow("disabled");
    expect(() => unpackValue(Uint8Array.from([0xd6, 0x70, 0, 0, 0, 1]))).toThrow("disabled");
  });

  it("gives some value or an error, never an endless loop, whatever bytes it has", () => {
    const random = seededRandom(testSeed());
    const below = (bound: number): number => Math.floor(random.next() * bound);
    const samples = fc
      .sample(anyWireValue, { numRuns: 100, seed: below(2 ** 31) })
      .map((value) => packValue(value))
      .filter(({ length }) => length < 4_096);
    samples.push(packValue({ reference: new Reference(HASH, 9, ["a", 1]), date: new Date(1), n: 2n ** 60n }));
    let refused = 0;
    for (let time = 0; time < 6_000; time++) {
      const original = samples[time % samples.length] ?? new Uint8Array(1);
      const bytes = time % 3 === 0 ? new Uint8Array(1 + below(60)) : Uint8Array.from(original);
      const changes = time % 3 === 0 ? bytes.length : 1 + below(4);
      for (let change = 0; change < changes; change++) bytes[below(bytes.length)] = below(256);
      if (!("value" in attempt(bytes))) refused++;
    }
    expect(refused).toBeGreaterThan(600);
    expectSame(unpackValue(packValue({ after: "all" })), { after: "all" });
  });
});

describe("the addresses in packed values", () => {
  const anyAddress = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString("hex"));
  const anyReference = fc
    .tuple(anyAddress, fc.maxSafeNat(), fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.nat())))
    .map(([sha256, sizeBytes, path]) => new Reference(sha256, sizeBytes, path));
  const underItsKey = (item: unknown): unknown => {
    const key: unknown = Array.isArray(item) ? item[0] : undefined;
    return typeof key === "string" ? { [key]: item } : item;
  };
  /** A value with references at any depth, and the addresses in it. */
  const anyValueWithReferences = fc
    .array(
      fc.oneof(
        anyReference,
        anyWireValue,
        fc.tuple(fc.constantFrom("", "key", "constructor", "π"), anyReference),
      ),
      { maxLength: 8 },
    )
    .map((items) => ({
      value: { items: items.map(underItsKey) },
      addresses: items
        .flat()
        .filter((item) => item instanceof Reference)
        .map(({ sha256 }) => sha256),
    }));

  it("are those of all its references, wherever they stand and whatever part they mean", () => {
    fc.assert(
      fc.property(anyValueWithReferences, ({ value, addresses }) => {
        expect(addressesIn(packValue(value)).toSorted()).toEqual(addresses.toSorted());
      }),
      { numRuns: 500 },
    );
  });

  it("are found as well when the value comes in pieces, wherever it is cut", async () => {
    async function* piecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    await fc.assert(
      fc.asyncProperty(
        anyValueWithReferences,
        fc.integer({ min: 1, max: 200 }),
        async ({ value, addresses }, size) => {
          const packed = packValue(value);
          // A long text in pieces of one byte would take its time.
          const found = await addressesInPieces(piecesOf(packed, Math.max(size, packed.length >> 6)));
          expect([...found].toSorted()).toEqual([...new Set(addresses)].toSorted());
        },
      ),
      { numRuns: 300 },
    );
  });

  it("are none in text that only looks like one, and none in a reference to what is no address", () => {
    expect(addressesIn(packValue({ sha256: HASH, text: `\x42\x93\xd9\x40${HASH}` }))).toEqual([]);
    expect(addressesIn(packValue(new Reference("aa", 1)))).toEqual([]);
    expect(addressesIn(packValue(new Reference(HASH.toUpperCase(), 1)))).toEqual([]);
    expect(addressesIn(packValue(new Reference(HASH, 1)).subarray(0, -10))).toEqual([]);
  });
});
