import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Fault,
  LIMITS,
  fault,
  fromWireError,
  toWireError,
  wireFault,
  type WireError,
  type FaultCode,
} from "../../src/errors/index.ts";
import { packValue } from "../../src/codec/index.ts";
import { findNonWire } from "../../src/schema/index.ts";
import { HOSTILE } from "./hostile.ts";
import { CODES, SAMPLES, sampleOf } from "./sample-details.ts";

/** As it arrives: what JSON cannot hold, an error must not need. */
const across = (error: unknown): Fault =>
  fromWireError(JSON.parse(JSON.stringify(toWireError(error))) as WireError);

const wireSampleOf = <C extends FaultCode>(code: C): WireError => wireFault(code, SAMPLES[code]);

/** An error with so many causes below it. */
function chain(length: number): Error {
  let error = new Error(`number ${length}`);
  for (let number = length - 1; number >= 1; number--)
    error = new Error(`number ${number}`, { cause: error });
  return error;
}

const messagesDown = (error: unknown): string[] =>
  error instanceof Error ? [error.message, ...messagesDown(error.cause)] : [];

describe("an error that crosses", () => {
  it.each(CODES)("keeps code, sentence and details: %s", (code) => {
    const sent = sampleOf(code);
    const arrived = across(sent);
    expect(arrived).toBeInstanceOf(Fault);
    expect(arrived).toMatchObject({ code, message: sent.message, details: SAMPLES[code], name: "Fault" });
    expect([arrived.retryable, arrived.errors, "cause" in arrived]).toEqual([sent.retryable, [], false]);
  });

  it.each(CODES)("is made without a stack as it is made with one: %s", (code) => {
    expect(wireSampleOf(code)).toEqual(toWireError(sampleOf(code)));
  });

  it("keeps its causes, in their own words, to the depth of four", () => {
    expect(messagesDown(across(chain(3)))).toEqual(["number 1", "number 2", "number 3"]);
    expect(messagesDown(across(chain(4)))).toHaveLength(4);
    expect(messagesDown(across(chain(5)))).toEqual(["number 1", "number 2", "number 3", "number 4"]);
    expect(messagesDown(across(chain(10_000)))).toHaveLength(4);
  });

  it("keeps the code of a fault below a defect", () => {
    const arrived = across(new Error("outer", { cause: fault("LEASE_LOST", { taskId: "t-1" }) }));
    expect(arrived.code).toBe("DEFECT");
    expect(arrived.cause).toMatchObject({ code: "LEASE_LOST", details: { taskId: "t-1" } });
  });

  it("keeps a cause that is no error", () => {
    expect(across(new Error("outer", { cause: "a text" })).cause).toMatchObject({
      code: "DEFECT",
      details: { name: "string", text: "a text" },
    });
  });

  it("keeps the failures it collects, sixteen at most, of a fault and of an AggregateError", () => {
    const errors = Array.from({ length: 20 }, (_, index) => new Error(`number ${index}`));
    for (const several of [fault("SEVERAL", { count: 20 }, { errors }), new AggregateError(errors, "all")]) {
      const arrived = across(several);
      expect(arrived.errors).toHaveLength(16);
      expect(arrived.errors[15]).toMatchObject({ code: "DEFECT", message: "number 15" });
    }
  });

  it("keeps collected failures to the same depth as causes", () => {
    const nest = (depth: number): Fault =>
      fault("SEVERAL", { count: depth }, { errors: depth === 1 ? [] : [nest(depth - 1)] });
    let arrived = across(nest(9));
    let depth = 1;
    for (; arrived.errors.length > 0; depth++) arrived = arrived.errors[0] as Fault;
    expect(depth).toBe(4);
  });

  it("becomes a DEFECT that says what it was, when it has no code", () => {
    expect(across(new TypeError("x is not a function"))).toMatchObject({
      code: "DEFECT",
      message: "TypeError: x is not a function",
      details: { name: "TypeError", text: "x is not a function" },
    });
    expect(across(new Error("boom")).message).toBe("boom");
    expect(across("a text")).toMatchObject({ code: "DEFECT", details: { name: "string", text: "a text" } });
    expect(across(undefined).details).toEqual({ name: "undefined", text: "undefined" });
  });

  it("carries no stack", () => {
    expect(JSON.stringify(toWireError(chain(4)))).not.toContain("wire-error.test");
  });

  it("has the same sentence after any number of crossings", () => {
    const once = across(chain(3));
    expect(toWireError(across(across(once)))).toEqual(toWireError(once));
  });

  it("says how long a text was that it cut", () => {
    const { message, details } = across(new Error("x".repeat(5_000)));
    expect(message).toBe(`${"x".repeat(2_000)}… (5000 characters)`);
    expect(details).toEqual({ name: "Error", text: message });
    expect(across(new Error("x".repeat(2_000))).message).toHaveLength(2_000);
  });
});

describe("whatever was thrown", () => {
  it.each(HOSTILE)("crosses as wire values of bounded size: $name", ({ thrown }) => {
    const wire = toWireError(thrown);
    expect(findNonWire(wire)).toBeUndefined();
    expect(packValue(wire).length).toBeLessThan(LIMITS.actor.messageBytes / 16);
    expect(wire.code).toBeTypeOf("string");
    expect(wire.message).toBeTypeOf("string");
    const arrived = fromWireError(wire);
    expect(arrived).toBeInstanceOf(Fault);
    expect(arrived.message).toBe(wire.message);
    expect(arrived.retryable).toBeTypeOf("boolean");
  });

  it("keeps what can be told of it", () => {
    const kept = HOSTILE.filter(({ name }) => /^an error whose (name|cause)/.test(name));
    expect(kept).toHaveLength(3);
    for (const { thrown } of kept) expect(toWireError(thrown).message).toContain("kept");
  });

  it("has only texts, numbers and lists of them as details, whatever somebody has put there", () => {
    const { thrown } = HOSTILE.find(({ name }) => name === "details that cannot cross") ?? {};
    expect(toWireError(thrown).details).toMatchObject({
      what: "Symbol(w)",
      error: "Error: x",
      list: [
        expect.stringContaining("throw"),
        "[object Object]",
        "1",
        "[object Map]",
        "something that has no text",
      ],
      half: "\ufffd",
    });
  });

  it("is described by its first parts when it is too large, and its causes are left out", () => {
    const problems = Array<string>(5_000).fill("x".repeat(3_000));
    const huge = fault("WORKFLOW_INVALID", { workflowId: "w-1", problems }, { cause: new Error("below") });
    const wire = toWireError(huge);
    expect(wire.details["workflowId"]).toBe("w-1");
    const kept = wire.details["problems"] as string[];
    expect(kept.length).toBeGreaterThan(100);
    expect(kept.length).toBeLessThan(200);
    expect(wire.cause).toBeUndefined();
  });

  it("crosses whatever it is", () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
        (thrown) => {
          expect(findNonWire(toWireError(thrown))).toBeUndefined();
          expect(fromWireError(toWireError(new Error("x", { cause: thrown })))).toBeInstanceOf(Fault);
        },
      ),
    );
  });
});

describe("an error from elsewhere", () => {
  const from = (wire: unknown): Fault => fromWireError(wire as WireError);

  it("of a code that only a newer version knows becomes a DEFECT that keeps code and sentence", () => {
    const arrived = from({
      code: "COLOUR_EXHAUSTED",
      message: "the quota of blue is used up",
      details: { group: "blue" },
    });
    expect(arrived).toMatchObject({
      code: "DEFECT",
      message: "the quota of blue is used up",
      details: { name: "COLOUR_EXHAUSTED", text: "the quota of blue is used up" },
    });
    expect(arrived.retryable).toBe(false);
  });

  it("of a code that is the name of a method is no known code", () => {
    for (const code of ["constructor", "toString", "__proto__"])
      expect(from({ code, message: "x" }).code).toBe("DEFECT");
  });

  it("keeps its sentence, though this version's would need details that it has not", () => {
    for (const code of CODES) {
      for (const details of [undefined, null, {}, "text"]) {
        expect(from({ code, message: "as it was", details })).toMatchObject({ code, message: "as it was" });
      }
    }
  });

  it("is cut to the same depth and number as one of our own", () => {
    let wire: Record<string, unknown> = { code: "DEFECT", message: "last", details: {} };
    for (let level = 0; level < 50_000; level++)
      wire = { code: "DEFECT", message: "x", details: {}, cause: wire };
    expect(messagesDown(from(wire))).toHaveLength(4);
    const errors = Array.from({ length: 100 }, () => ({ code: "DEFECT", message: "x", details: {} }));
    expect(from({ code: "SEVERAL", message: "all", details: { count: 100 }, errors }).errors).toHaveLength(
      16,
    );
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a text", "broken"],
    ["a list", []],
    ["no code", { message: "x" }],
    ["a code that is no text", { code: 7, message: "x" }],
    ["no sentence", { code: "CANCELLED" }],
    [
      "causes that are none",
      { code: "CANCELLED", message: "x", details: {}, cause: 3, errors: { length: 9 } },
    ],
    ["errors that are none", { code: "CANCELLED", message: "x", details: {}, errors: [null, 3, "x"] }],
  ])("becomes a fault though it is %s", (_, wire) => {
    const arrived = from(wire);
    expect(arrived).toBeInstanceOf(Fault);
    expect(arrived.message).toBeTypeOf("string");
    expect(findNonWire(toWireError(arrived))).toBeUndefined();
  });
});
