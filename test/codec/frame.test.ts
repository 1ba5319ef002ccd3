import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  FLAG,
  FRAME_HEADER_BYTES,
  KIND,
  readFrameHeader,
  writeFrameHeader,
  type FrameHeader,
  type Kind,
} from "../../src/codec/index.ts";

function openMemory(bytes = 256): { bytes: Buffer; words: Int32Array; doubles: Float64Array } {
  const shared = new SharedArrayBuffer(bytes);
  return { bytes: Buffer.from(shared), words: new Int32Array(shared), doubles: new Float64Array(shared) };
}

const blank = (): FrameHeader => ({
  kind: KIND.cast,
  flags: 0,
  member: 0,
  correlation: 0,
  totalBytes: 0,
  deadlineMs: 0,
});

const anyHeader: fc.Arbitrary<FrameHeader> = fc.record(
  {
    kind: fc.constantFrom<Kind>(...Object.values(KIND)),
    flags: fc.integer({ min: 0, max: 0xff }),
    member: fc.integer({ min: 0, max: 0xffff }),
    correlation: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1)),
    totalBytes: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1)),
    deadlineMs: fc.double(),
  },
  { noNullPrototype: true },
);

describe("the header of a frame", () => {
  it("is read as it was written, over the whole range of every field, at any place", () => {
    const memory = openMemory();
    fc.assert(
      fc.property(anyHeader, fc.integer({ min: 0, max: 29 }), (header, place) => {
        const read = blank();
        writeFrameHeader(memory, place * 8, header);
        readFrameHeader(memory, place * 8, read);
        expect(read).toStrictEqual(header);
      }),
    );
  });

  it("leaves the size word, which is the ring's, and everything around it as it was", () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const memory = openMemory();
        memory.bytes.fill(0xa5);
        writeFrameHeader(memory, 64, header);
        const untouched = [memory.bytes.subarray(0, 68), memory.bytes.subarray(64 + FRAME_HEADER_BYTES)];
        expect(untouched.every((part) => part.every((byte) => byte === 0xa5))).toBe(true);
      }),
    );
  });

  it("has the layout that the wire protocol's page describes", () => {
    const memory = openMemory();
    writeFrameHeader(memory, 0, {
      kind: KIND.subscribe,
      flags: FLAG.more | FLAG.trace,
      member: 0x1234,
      correlation: 0xfedcba98,
      totalBytes: 77,
      deadlineMs: 1.5,
    });
    const view = new DataView(memory.words.buffer);
    const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    expect(view.getInt32(4, little)).toBe((0x1234 << 16) | (3 << 8) | 6);
    expect(view.getUint32(8, little)).toBe(0xfedcba98);
    expect(view.getUint32(12, little)).toBe(77);
    expect(view.getFloat64(16, little)).toBe(1.5);
  });

  it("carries no deadline as Infinity", () => {
    const memory = openMemory();
    const read = blank();
    writeFrameHeader(memory, 0, { ...blank(), deadlineMs: Infinity });
    readFrameHeader(memory, 0, read);
    expect(read.deadlineMs).toBe(Infinity);
  });

  it("has a number of its own for each kind and a bit of its own for each flag", () => {
    expect(new Set(Object.values(KIND)).size).toBe(Object.keys(KIND).length);
    expect(FLAG.more & FLAG.trace).toBe(0);
  });
});
