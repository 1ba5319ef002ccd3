import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { StreamDecoder, packValue } from "../../src/codec/index.ts";
import { anyShapedObject, anyUniformObjects, expectSame } from "./any-wire-value.ts";
import { Line } from "./line.ts";

afterEach(() => void vi.unstubAllGlobals());

describe("the shapes of a stream", () => {
  it("bring an object as it was sent, the first time and the hundredth", () => {
    fc.assert(
      fc.property(anyUniformObjects, (objects) => {
        const line = new Line();
        for (const object of objects) expectSame(line.send(object), object);
        expectSame(line.send(objects), objects);
      }),
      { numRuns: 60 },
    );
  });

  it("do so where a process forbids code that is made from strings, which is tried once", async () => {
    let tries = 0;
    vi.stubGlobal("Function", function forbidden(parameter: string) {
      // The reader's library tries too, and has parameters of other names.
      if (parameter === "writer") tries += 1;
      throw new EvalError("Code generation from strings disallowed for this context");
    });
    // What is found out holds for the whole process, so it is found out in modules of this test's own.
    vi.resetModules();
    const { Line: OwnLine } = await import("./line.ts");
    const line = new OwnLine();
    for (let n = 0; n < 100; n++) {
      for (const value of [{ n, next: { n: n + 1 } }, { other: n }]) expect(line.send(value)).toEqual(value);
    }
    expect(tries).toBe(1);
  });

  it("have code that reads and writes them made once, however many streams know them", async () => {
    const made = { writer: 0, r: 0 };
    const { Function: Made } = globalThis;
    vi.stubGlobal("Function", function counting(...parts: string[]) {
      made[parts[0] as keyof typeof made] += 1;
      return Made(...parts) as unknown;
    });
    // So many lists of keys are remembered in a process, and the tests beside this one have sent many.
    vi.resetModules();
    const { Line: OwnLine } = await import("./line.ts");
    const send = (): void => {
      const line = new OwnLine();
      for (let time = 0; time < 100; time++)
        expectSame(line.send({ once: time, forAll: [] }), { once: time, forAll: [] });
    };
    for (let line = 0; line < 10; line++) send();
    expect(made.writer).toBe(1);
    // None where the reader's library has learned from the test above that it may not.
    expect(made.r).toBeLessThanOrEqual(1);
  });

  it("tell objects apart whose keys are the same in another order, or the same when put together", () => {
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

  it("may be more than are remembered, in one message or in many", () => {
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

  it("survive messages that are refused, and definitions that are withheld until a later one", () => {
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

  it("are known to what comes long after it was encoded, as long as the order is kept", () => {
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

  it("have definitions that fit into one frame of the smallest ring, however many keys an object has", () => {
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

  it("are told from a table among them, though one message has more shapes than are shared", () => {
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

  it("wait to be sent within one frame, though nothing can be sent for a long time", () => {
    const line = new Line();
    for (let shape = 0; shape < 500; shape++) line.encode({ [`a rather long key ${shape}`]: shape });
    line.sendDefinitions();
    expectSame(line.send({ [`a rather long key 3`]: 3 }), { [`a rather long key 3`]: 3 });
  });

  it("are said once", () => {
    const line = new Line();
    const task = { taskIdentifier: 1, priority: 2, description: 3 };
    expect(line.encoder.hasDefinitions).toBe(false);
    line.send(task);
    expect(line.encode(task)).toHaveLength(4);
    expect(line.encoder.hasDefinitions).toBe(false);
  });

  it("are learned up to 32, however much room their definitions need together", () => {
    const line = new Line();
    const shapes = Array.from({ length: 32 }, (_, index) => ({ [`${index} ${"x".repeat(300)}`]: 1 }));
    for (const shape of shapes) line.send(shape);
    expect(shapes.map((shape) => line.encode(shape).length)).toEqual(shapes.map(() => 2));
    expect(line.encode({ oneMore: 1 }).length).toBeGreaterThan(8);
  });

  it("are not influenced by another stream, in either direction of the same threads", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyShapedObject, fc.integer({ min: 0, max: 2 }))), (sends) => {
        const lines = [new Line(), new Line(), new Line()];
        for (const [value, at] of sends) expectSame(lines[at]?.send(value), value);
      }),
    );
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
