import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { RingReader, RingWriter, createRing, frameBytesMax } from "../../src/ring/index.ts";

const CAPACITY = LIMITS.ring.sizeBytesMin;
const FRAME_MAX = frameBytesMax(CAPACITY);

/** The words of the header, as the layout has them. */
const WORD = { head: 0, popped: 1, tail: 16, pushed: 17 } as const;

/** A ring as it is after so many bytes and frames have passed through it. */
function ringAfter(bytes: number, frames = 0): SharedArrayBuffer {
  const shared = createRing(CAPACITY);
  const words = new Int32Array(shared);
  words[WORD.head] = words[WORD.tail] = bytes | 0;
  words[WORD.popped] = words[WORD.pushed] = frames | 0;
  return shared;
}

const openRing = (shared = createRing(CAPACITY)): { writer: RingWriter; reader: RingReader } => ({
  writer: new RingWriter(shared),
  reader: new RingReader(shared),
});

const patternOf = (sequence: number, sizeBytes: number): Buffer =>
  Buffer.from(Array.from({ length: sizeBytes - 4 }, (_, index) => (sequence * 31 + index) & 0xff));

const contentAt = (end: RingReader, offset: number, sizeBytes: number): Buffer =>
  Buffer.from(end.bytes.subarray(offset + 4, offset + sizeBytes));

interface Frame {
  readonly sequence: number;
  readonly sizeBytes: number;
}

/** What a ring is meant to be: a queue with a bound in bytes. Positions are plain numbers that never overflow. */
class QueueModel {
  readonly claimed: Frame[] = [];
  readonly published: Frame[] = [];
  readonly read: (Frame & { readonly offset: number })[] = [];
  #tail: number;
  #head: number;
  #readTo: number;

  constructor(start: number) {
    this.#tail = this.#head = this.#readTo = start;
  }

  /** Where the frame must lie, or -1. */
  claim(frame: Frame): number {
    const total = this.#place(this.#tail, frame.sizeBytes);
    if (this.#tail + total - this.#head > CAPACITY) return -1;
    this.#tail += total;
    this.claimed.push(frame);
    return (this.#tail - aligned(frame.sizeBytes)) % CAPACITY;
  }

  publish(): boolean {
    const moved = this.claimed.splice(0);
    this.published.push(...moved);
    return moved.length > 0;
  }

  next(): (Frame & { readonly offset: number }) | undefined {
    const frame = this.published.shift();
    if (!frame) return undefined;
    this.#readTo += this.#place(this.#readTo, frame.sizeBytes);
    const read = { ...frame, offset: (this.#readTo - aligned(frame.sizeBytes)) % CAPACITY };
    this.read.push(read);
    return read;
  }

  release(): void {
    this.read.length = 0;
    this.#head = this.#readTo;
  }

  get unreleasedBytes(): number {
    return this.#readTo - this.#head;
  }

  #place(position: number, sizeBytes: number): number {
    const untilEnd = CAPACITY - (position % CAPACITY);
    return aligned(sizeBytes) <= untilEnd ? aligned(sizeBytes) : untilEnd + aligned(sizeBytes);
  }
}

const aligned = (sizeBytes: number): number => Math.ceil(sizeBytes / 8) * 8;

const anySize = fc.oneof(
  fc.integer({ min: 5, max: FRAME_MAX }),
  fc.constantFrom(5, 8, 9, 16, FRAME_MAX - 8, FRAME_MAX - 1, FRAME_MAX),
);
const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ act: fc.constant("claim" as const), sizeBytes: anySize }) },
  { weight: 2, arbitrary: fc.constant({ act: "publish" as const }) },
  { weight: 5, arbitrary: fc.constant({ act: "next" as const }) },
  { weight: 2, arbitrary: fc.constant({ act: "release" as const }) },
);
/** Where the cursors begin: also just before they overflow, as signed and as unsigned numbers. */
const anyStart = fc
  .tuple(fc.constantFrom(0, 2 ** 31, 2 ** 32), fc.integer({ min: -600, max: 600 }))
  .map(([edge, steps]) => Math.max(0, edge + steps * 8));

describe("a ring", () => {
  it("hands out every frame once, in order, whole and in one piece, whatever the sizes and the interleaving", () => {
    fc.assert(
      fc.property(anyStart, fc.array(anyStep, { maxLength: 150 }), (start, steps) => {
        const { writer, reader } = openRing(ringAfter(start, 2 ** 32 - 20));
        const model = new QueueModel(start);
        let sequence = 0;
        for (const step of steps) {
          if (step.act === "claim") {
            const frame = { sequence: sequence++, sizeBytes: step.sizeBytes };
            const offset = writer.claim(step.sizeBytes);
            expect(offset).toBe(model.claim(frame));
            if (offset >= 0) writer.bytes.set(patternOf(frame.sequence, frame.sizeBytes), offset + 4);
          } else if (step.act === "publish") {
            expect(writer.publish()).toBe(model.publish());
          } else if (step.act === "next") {
            expect(reader.ready()).toBe(model.published.length > 0);
            const expected = model.next();
            expect(reader.next()).toBe(expected?.offset ?? -1);
            if (!expected) continue;
            expect(reader.sizeBytes).toBe(expected.sizeBytes);
            expect(expected.offset + expected.sizeBytes).toBeLessThanOrEqual(CAPACITY);
          } else {
            // What was read stays as it is until now, however much was written since.
            for (const { offset, sizeBytes, sequence: number } of model.read) {
              expect(contentAt(reader, offset, sizeBytes)).toEqual(patternOf(number, sizeBytes));
            }
            model.release();
            expect(reader.release()).toBe(false);
          }
          expect(reader.unreleasedBytes).toBe(model.unreleasedBytes);
          expect(reader.backlog).toBe(model.published.length + model.read.length);
          writer.refresh();
          expect(writer.outstanding).toBe(model.claimed.length + reader.backlog);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("lets the other end attach at any time and go on where the cursors stand", () => {
    const shared = createRing(CAPACITY);
    const first = new RingWriter(shared);
    first.words[first.claim(16) / 4 + 1] = 7;
    first.publish();
    const reader = new RingReader(shared);
    expect(reader.words[reader.next() / 4 + 1]).toBe(7);
    reader.release();
    const second = new RingWriter(shared);
    expect(second.outstanding).toBe(0);
    expect(second.claim(16)).toBe(16);
  });

  it("keeps a frame invisible until it is published, and publishes all claimed frames at once", () => {
    const { writer, reader } = openRing();
    writer.claim(16);
    writer.claim(24);
    expect(reader.ready()).toBe(false);
    expect(reader.next()).toBe(-1);
    expect(reader.backlog).toBe(0);
    expect(writer.publish()).toBe(true);
    expect(writer.publish()).toBe(false);
    expect(reader.ready()).toBe(true);
    expect([reader.next(), reader.next(), reader.next()]).toEqual([0, 16, -1]);
  });

  it("refuses a frame when it is full and changes nothing, until room is released", () => {
    const shared = createRing(CAPACITY);
    const { writer, reader } = openRing(shared);
    for (let frame = 0; frame < 4; frame++) expect(writer.claim(FRAME_MAX)).toBe(frame * FRAME_MAX);
    writer.publish();
    const before = Buffer.from(Buffer.from(shared));
    expect(writer.claim(5)).toBe(-1);
    expect(writer.outstanding).toBe(4);
    expect(writer.publish()).toBe(false);
    expect(Buffer.from(shared).equals(before)).toBe(true);
    // Reading makes no room; giving it back does.
    reader.next();
    expect(writer.claim(5)).toBe(-1);
    reader.release();
    expect(writer.claim(5)).toBe(0);
  });

  it("never lets a frame wrap: one that does not fit before the end begins at the start", () => {
    const { writer, reader } = openRing(ringAfter(CAPACITY - 64));
    expect(writer.claim(72)).toBe(0);
    expect(writer.claim(16)).toBe(72);
    writer.publish();
    expect([reader.next(), reader.sizeBytes]).toEqual([0, 72]);
    expect(reader.unreleasedBytes).toBe(64 + 72);
    expect(reader.next()).toBe(72);
  });

  it("fills the last bytes before the end when a frame fits exactly", () => {
    const { writer, reader } = openRing(ringAfter(CAPACITY - 64));
    expect(writer.claim(64)).toBe(CAPACITY - 64);
    expect(writer.claim(8)).toBe(0);
    writer.publish();
    expect([reader.next(), reader.next()]).toEqual([CAPACITY - 64, 0]);
  });

  it("finds a place for the largest frame in an empty ring, wherever the cursors stand", () => {
    for (let start = 0; start < CAPACITY; start += 8) {
      expect(openRing(ringAfter(start)).writer.claim(FRAME_MAX)).toBeGreaterThanOrEqual(0);
    }
  });

  it("knows when at least half of it is free, as far as it has looked", () => {
    const { writer, reader } = openRing();
    writer.claim(FRAME_MAX);
    writer.claim(FRAME_MAX);
    expect(writer.halfFree).toBe(true);
    writer.claim(8);
    expect(writer.halfFree).toBe(false);
    writer.publish();
    reader.next();
    reader.release();
    expect(writer.halfFree).toBe(false);
    writer.refresh();
    expect(writer.halfFree).toBe(true);
  });
});

describe("the size of a ring", () => {
  it("is a power of two from 4 KiB to 256 MiB, beside the header", () => {
    expect(createRing(LIMITS.ring.sizeBytesMin).byteLength).toBe(LIMITS.ring.sizeBytesMin + 128);
    expect(createRing(LIMITS.ring.sizeBytesMax).byteLength).toBe(LIMITS.ring.sizeBytesMax + 128);
    for (const wrong of [0, -4096, 1, 2048, 4095, 6144, 2 ** 29, Infinity, NaN, 4096.5]) {
      expect(() => createRing(wrong)).toThrow("a ring has 2^12 to 2^28 bytes");
    }
  });

  it("bounds a frame to a quarter of it, and a frame has at least one byte beside its size", () => {
    const { writer } = openRing();
    for (const wrong of [FRAME_MAX + 1, CAPACITY, 2 ** 31, 4, 0, -8, NaN]) {
      expect(() => writer.claim(wrong)).toThrow(/^defect: a frame of .* bytes fits/);
    }
    expect(writer.outstanding).toBe(0);
    expect(writer.claim(FRAME_MAX)).toBe(0);
  });
});

describe("a damaged ring", () => {
  const damaged = /^defect: a frame of .* the ring is damaged$/;

  it("is a defect when a size is impossible, and nothing of it is read", () => {
    for (const size of [0, 4, -2, -8, FRAME_MAX + 1, CAPACITY, 2 ** 31 - 1, -(2 ** 31)]) {
      const { writer, reader } = openRing();
      writer.words[writer.claim(16) / 4] = size;
      writer.publish();
      expect(() => reader.next()).toThrow(damaged);
      expect(reader.unreleasedBytes).toBe(0);
    }
  });

  it("is a defect when a frame reaches beyond what was published", () => {
    const { writer, reader } = openRing();
    writer.words[writer.claim(16) / 4] = 24;
    writer.publish();
    expect(() => reader.next()).toThrow(damaged);
  });

  it("is a defect when a frame reaches beyond the end of the data", () => {
    const { writer, reader } = openRing(ringAfter(CAPACITY - 16));
    writer.words[writer.claim(16) / 4] = 24;
    writer.claim(16);
    writer.publish();
    expect(() => reader.next()).toThrow(damaged);
  });

  it("is a defect when skip marks follow each other, not an endless loop", () => {
    const { writer, reader } = openRing();
    writer.words[writer.claim(16) / 4] = -1;
    writer.publish();
    expect(() => reader.next()).toThrow(damaged);
  });

  it("is a defect when more was published than it can hold", () => {
    const shared = createRing(CAPACITY);
    const { writer, reader } = openRing(shared);
    writer.claim(16);
    writer.publish();
    new Int32Array(shared)[WORD.tail] = 2 ** 30;
    expect(() => reader.next()).toThrow(damaged);
  });
});
