import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  TRACE_BYTES,
  childSpan,
  childTraceparent,
  decodeTrace,
  encodeTrace,
  formatTraceparent,
  newTrace,
  parseTraceparent,
  validTraceparent,
} from "../../src/telemetry/index.ts";

/** The example of the specification. */
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const EXAMPLE = `00-${TRACE_ID}-${SPAN_ID}-01`;

const counting = () => {
  let drawn = 0;
  return { next: () => ((drawn += 37) % 256) / 256 };
};

describe("traceparent", () => {
  it.each([
    [EXAMPLE, EXAMPLE],
    [`cc-${TRACE_ID}-${SPAN_ID}-ff-more`, `00-${TRACE_ID}-${SPAN_ID}-03`],
    [EXAMPLE.toUpperCase(), undefined],
    [`${EXAMPLE} `, undefined],
    ["", undefined],
    [undefined, undefined],
    [[EXAMPLE], undefined],
  ])("%j from outside is handed on as %j", (given, handedOn) =>
    expect(validTraceparent(given)).toBe(handedOn),
  );

  it("of what its bearer causes is of the same trace, with the same flags and another span", () => {
    const child = childTraceparent(EXAMPLE, counting());
    expect(child).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    expect(child).not.toContain(SPAN_ID);
    expect(childTraceparent("nonsense", counting())).toBeUndefined();
  });

  it("is read and written as in the specification's example", () => {
    const trace = parseTraceparent(EXAMPLE);
    expect(trace).toEqual({ traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 });
    expect(trace && formatTraceparent(trace)).toBe(EXAMPLE);
  });

  it("of a higher version is read by the fields that are known", () => {
    expect(parseTraceparent(`cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-brings`)).toMatchObject({
      traceId: TRACE_ID,
    });
    expect(parseTraceparent(`cc-${TRACE_ID}-${SPAN_ID}-01`)).toMatchObject({ spanId: SPAN_ID });
  });

  it("hands on the flags that are defined and no others", () => {
    const trace = parseTraceparent(`00-${TRACE_ID}-${SPAN_ID}-ff`);
    expect(trace?.flags).toBe(3);
    expect(formatTraceparent({ traceId: TRACE_ID, spanId: SPAN_ID, flags: 255 })).toBe(
      `00-${TRACE_ID}-${SPAN_ID}-03`,
    );
  });

  it.each([
    ["empty", ""],
    ["with upper-case digits", EXAMPLE.toUpperCase()],
    ["of version ff", `ff-${TRACE_ID}-${SPAN_ID}-01`],
    ["of version 00 with something behind it", `${EXAMPLE}-more`],
    ["of a higher version with something glued to it", `cc-${TRACE_ID}-${SPAN_ID}-01more`],
    ["with a trace id of zeros", `00-${"0".repeat(32)}-${SPAN_ID}-01`],
    ["with a span id of zeros", `00-${TRACE_ID}-${"0".repeat(16)}-01`],
    ["with a short id", `00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`],
    ["with a line break behind it", `${EXAMPLE}\n`],
  ])("%s is invalid", (_, header) => expect(parseTraceparent(header)).toBeUndefined());
});

describe("a span", () => {
  it("of a new trace has ids that are valid and is sampled", () => {
    const trace = newTrace(counting());
    expect(parseTraceparent(formatTraceparent(trace))).toEqual(trace);
    expect(trace.flags).toBe(1);
  });

  it("caused by another shares its trace and flags but not its own id", () => {
    const random = counting();
    const parent = { ...newTrace(random), flags: 0 };
    const child = childSpan(parent, random);
    expect(child).toMatchObject({ traceId: parent.traceId, flags: 0 });
    expect(child.spanId).not.toBe(parent.spanId);
  });

  it("has no id of zeros, even when chance gives only zeros", () => {
    const trace = newTrace({ next: () => 0 });
    expect(parseTraceparent(formatTraceparent(trace))).toEqual(trace);
  });
});

describe("the binary form of a trace", () => {
  it("takes 26 bytes and comes back as it went in, at any offset", () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        fc.nat(40),
        (numbers, offset) => {
          const trace = newTrace({ next: () => Number(numbers.next().value) });
          const bytes = new Uint8Array(offset + TRACE_BYTES);
          encodeTrace(trace, bytes, offset);
          expect(decodeTrace(bytes, offset)).toEqual(trace);
        },
      ),
    );
    expect(TRACE_BYTES).toBe(26);
  });

  it("is not read when cut short, of another version, or with ids of zeros", () => {
    const bytes = new Uint8Array(TRACE_BYTES);
    expect(decodeTrace(bytes, 0)).toBeUndefined();
    encodeTrace({ traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 }, bytes, 0);
    expect(decodeTrace(bytes.subarray(1), 0)).toBeUndefined();
    expect(decodeTrace(bytes, -1)).toBeUndefined();
    bytes[0] = 1;
    expect(decodeTrace(bytes, 0)).toBeUndefined();
    encodeTrace({ traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 }, bytes, 0);
    bytes.fill(0, 17, 25);
    expect(decodeTrace(bytes, 0)).toBeUndefined();
  });

  it("is not written where there is no room", () => {
    const trace = { traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 };
    expect(() => encodeTrace(trace, new Uint8Array(25), 0)).toThrow(RangeError);
    expect(() => encodeTrace(trace, new Uint8Array(40), -1)).toThrow(RangeError);
  });
});
