import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  FRAME_HEADER_BYTES,
  Reference,
  StreamDecoder,
  StreamEncoder,
  packValue,
} from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { frameBytesMax } from "../../src/ring/index.ts";
import { anyShapedObject, anyUniformObjects, anyWireValue, expectSame } from "./any-wire-value.ts";

/** What one frame of the smallest ring can carry. */
const SMALLEST_FRAME_BYTES = frameBytesMax(LIMITS.ring.sizeBytesMin) - FRAME_HEADER_BYTES;

const MEMORY = Buffer.from(new SharedArrayBuffer(2 ** 22));

/** One direction of a link: encoder, shared memory, decoder. */
class Line {
  readonly encoder = new StreamEncoder();
  readonly decoder = new StreamDecoder();
  #end = 0;

  /** The bytes of a payload that is not sent, yet. */
  encode(value: unknown): Buffer {
    return Buffer.from(this.encoder.encode(value));
  }

  sendDefinitions(): void {
    if (!this.encoder.hasDefinitions) return;
    const definitions = this.encoder.definitions();
    expect(definitions.length).toBeLessThanOrEqual(SMALLEST_FRAME_BYTES);
    this.decoder.define(this.#write(definitions));
    this.encoder.definitionsSent();
    expect(this.encoder.hasDefinitions).toBe(false);
  }

  receive(payload: Uint8Array): unknown {
    const written = this.#write(payload);
    const value = this.decoder.decode(MEMORY, this.#end - payload.length, this.#end);
    // The ring is written over; what was decoded stays what it was.
    written.fill(0xa5);
    return value;
  }

  send(value: unknown): unknown {
    const payload = this.encode(value);
    this.sendDefinitions();
    return this.receive(payload);
  }

  #write(bytes: Uint8Array): Buffer {
    const start = this.#end + 24 + bytes.length > MEMORY.length ? 0 : this.#end + 24;
    this.#end = start + bytes.length;
    MEMORY.set(bytes, start);
    return MEMORY.subarray(start, this.#end);
  }
}

afterEach(() => void vi.unstubAllGlobals());

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

  it("brings an object of a shape as it was sent, the first time and the hundredth", () => {
    fc.assert(
      fc.property(anyUniformObjects, (objects) => {
        const line = new Line();
        for (const object of objects) expectSame(line.send(object), object);
        expectSame(line.send(objects), objects);
      }),
      { numRuns: 60 },
    );
  });

  it("does so where a process forbids code that is made from strings", () => {
    vi.stubGlobal("Function", function forbidden() {
      throw new EvalError("Code generation from strings disallowed for this context");
    });
    const line = new Line();
    for (let time = 0; time < 100; time++)
      expectSame(line.send({ a: time, "b c": [time] }), { a: time, "b c": [time] });
  });

  it("tells objects apart whose keys are the same in another order, or the same when put together", () => {
    const line = new Line();
    const alike = [
      { a: 1, b: 2 },
      { b: 1, a: 2 },
      { ab: 1 },
      { a: { b: 1 } },
      { "a\0b": 1 },
      { "a\0b": 1, c: 2 },
      { a: 1, "b\0c": 2 },
      { "": 1, a: 2 },
      { a: 1, "": 2 },
    ];
    for (let time = 0; time < 40; time++) expectSame(line.send([...alike, ...alike]), [...alike, ...alike]);
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

  it("goes on through more shapes than it remembers, in one message or in many", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyShapedObject, fc.array(anyShapedObject)), { minLength: 30 }),
        (values) => {
          const line = new Line();
          for (const value of values) expectSame(line.send(value), value);
        },
      ),
    );
    const line = new Line();
    const many = Array.from({ length: 200 }, (_, index) => ({
      [`only${index}`]: index,
      [`too${index}`]: index,
    }));
    for (let time = 0; time < 3; time++) expectSame(line.send([...many, ...many]), [...many, ...many]);
  });

  it("survives messages that are refused, and definitions that are withheld until a later one", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyShapedObject, fc.boolean()), { maxLength: 60 }), (messages) => {
        const line = new Line();
        for (const [value, refused] of messages) {
          if (refused) line.encode(value);
          else expectSame(line.send(value), value);
        }
      }),
    );
  });

  it("decodes what comes long after it was encoded, as long as the order is kept", () => {
    fc.assert(
      fc.property(fc.array(anyShapedObject, { maxLength: 40 }), (values) => {
        const line = new Line();
        const sent = values.map((value) => {
          const payload = line.encode(value);
          const definitions = line.encoder.hasDefinitions
            ? Buffer.from(line.encoder.definitions())
            : undefined;
          line.encoder.definitionsSent();
          return { definitions, payload };
        });
        const received = sent.map(({ definitions, payload }) => {
          if (definitions) line.decoder.define(definitions);
          return line.receive(payload);
        });
        expectSame(received, values);
      }),
    );
  });

  it("has definitions that fit into one frame of the smallest ring, however many keys an object has", () => {
    for (const keys of [1, 60, 100, 5_000, 70_000]) {
      const line = new Line();
      const table = Object.fromEntries(
        Array.from({ length: keys }, (_, index) => [`key number ${index}`, index % 7]),
      );
      for (let time = 0; time < 4; time++) expectSame(line.send(table), table);
      // A table beside it costs a small object nothing.
      line.send({ small: 1, object: 2 });
      expect(line.encode({ small: 1, object: 2 })).toHaveLength(3);
    }
  });

  it("tells a table from the shapes around it, though one message has more shapes than are shared", () => {
    const table = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`column ${index}`, index]));
    const others = Array.from({ length: 40 }, (_, index) => ({ [`k${index}`]: index }));
    for (const message of [
      [table, ...others, table],
      [...others.slice(0, 20), table, ...others, table],
    ]) {
      const line = new Line();
      for (let time = 0; time < 3; time++) expectSame(line.send(message), message);
    }
  });

  it("keeps what waits to be sent within one frame, though nothing can be sent for a long time", () => {
    const line = new Line();
    for (let shape = 0; shape < 500; shape++) line.encode({ [`a rather long key ${shape}`]: shape });
    line.sendDefinitions();
    expectSame(line.send({ [`a rather long key 3`]: 3 }), { [`a rather long key 3`]: 3 });
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

  it("says the keys of a shape once", () => {
    const line = new Line();
    const task = { taskIdentifier: 1, priority: 2, description: 3 };
    expect(line.encoder.hasDefinitions).toBe(false);
    line.send(task);
    expect(line.encode(task)).toHaveLength(4);
    expect(line.encoder.hasDefinitions).toBe(false);
  });

  it("learns up to 32 shapes, however much room their definitions need together", () => {
    const line = new Line();
    const shapes = Array.from({ length: 32 }, (_, index) => ({ [`${index} ${"x".repeat(300)}`]: 1 }));
    for (const shape of shapes) line.send(shape);
    expect(shapes.map((shape) => line.encode(shape).length)).toEqual(shapes.map(() => 2));
    expect(line.encode({ oneMore: 1 }).length).toBeGreaterThan(8);
  });

  it("is not influenced by another stream, in either direction of the same threads", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyShapedObject, fc.integer({ min: 0, max: 2 }))), (sends) => {
        const lines = [new Line(), new Line(), new Line()];
        for (const [value, at] of sends) expectSame(lines[at]?.send(value), value);
      }),
    );
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

  it("never sets a prototype: __proto__ arrives under another name", () => {
    const line = new Line();
    const hostile: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}');
    for (let time = 0; time < 5; time++) {
      const arrived = line.send(hostile) as Record<string, unknown>;
      expect(arrived["admin"]).toBeUndefined();
      expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
      expect(Object.keys(arrived)).toEqual(["__proto_", "a"]);
    }
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
      expect(arrived.bytes.buffer.byteLength).toBe(3);
    }
  });

  it("replaces half a surrogate pair, which no UTF-8 text can hold", () => {
    const line = new Line();
    const short = line.send("a\ud800") as string;
    const long = line.send(`${"a".repeat(100)}\udfff`) as string;
    expect(short.isWellFormed() && long.isWellFormed()).toBe(true);
    expect([short[0], long.slice(0, 100)]).toEqual(["a", "a".repeat(100)]);
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

describe("a stream that breaks the rules", () => {
  it("is a defect when it uses a shape before its definition", () => {
    const line = new Line();
    const payload = line.encode({ a: 1 });
    expect(() => line.receive(payload)).toThrow("the shape of every object is defined before it is used");
    // It is no worse afterwards: the definition may still come.
    line.sendDefinitions();
    expect(line.receive(payload)).toStrictEqual({ a: 1 });
  });

  it("is a defect when its definitions are none, or too many", () => {
    const { decoder } = new Line();
    for (const wrong of [7, { a: 1 }, [["a"], 3], [["a", 3]], ["a"]]) {
      expect(() => decoder.define(packValue(wrong))).toThrow("definitions are lists of keys");
    }
    const shapes = Array.from({ length: 33 }, (_, index) => [`k${index}`]);
    expect(() => decoder.define(packValue(shapes))).toThrow("at most 32 shapes");
  });

  it("is a defect when a payload is cut short", () => {
    const payload = packValue({ a: [1, 2, "text"], b: new Uint8Array(9) });
    const memory = Buffer.from(payload);
    for (let end = 1; end < payload.length; end++) {
      expect(() => new StreamDecoder().decode(memory, 0, end)).toThrow();
    }
  });
});
