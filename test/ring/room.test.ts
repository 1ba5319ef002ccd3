import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { RingReader, RingWriter, createRing, frameBytesMax } from "../../src/ring/index.ts";

const CAPACITY = LIMITS.ring.sizeBytesMin;
const FRAME_MAX = frameBytesMax(CAPACITY);

/** A full ring: four frames of a quarter, published and not yet read. */
function fullRing(): { writer: RingWriter; reader: RingReader } {
  const shared = createRing(CAPACITY);
  const writer = new RingWriter(shared);
  for (let frame = 0; frame < 4; frame++) writer.claim(FRAME_MAX);
  writer.publish();
  return { writer, reader: new RingReader(shared) };
}

/** What a writer does that finds no room. True when the second look found some. */
const wishForRoom = (writer: RingWriter): boolean => {
  writer.wantRoom();
  return writer.claim(FRAME_MAX) >= 0;
};

const readOne = (reader: RingReader): boolean => {
  reader.next();
  return reader.release();
};

const ATOMICS = ["load", "store", "exchange", "compareExchange"] as const;

/** Runs `intrude` just before the atomic operation of that number. False when there were not so many. */
function interruptedAt(operation: number, intrude: () => void, run: () => void): boolean {
  let operations = 0;
  let intruded = false;
  for (const name of ATOMICS) {
    const original = Atomics[name] as (...given: unknown[]) => unknown;
    vi.spyOn(Atomics, name).mockImplementation((...given: unknown[]) => {
      if (!intruded && operations++ === operation) {
        intruded = true;
        intrude();
      }
      return original(...given) as never;
    });
  }
  run();
  vi.restoreAllMocks();
  return intruded;
}

/** Was the bell rung, did the writer find room? */
interface Outcome {
  rung: boolean;
  found: boolean;
}
/** What intrudes, and into what. */
type Race = (ring: ReturnType<typeof fullRing>, state: Outcome) => [intrude: () => void, run: () => void];

afterEach(() => void vi.restoreAllMocks());

describe("the wish for room", () => {
  it("is answered by the next release, once", () => {
    const { writer, reader } = fullRing();
    expect(wishForRoom(writer)).toBe(false);
    reader.next();
    expect(reader.release()).toBe(true);
    expect(reader.release()).toBe(false);
    reader.next();
    expect(reader.release()).toBe(false);
  });

  it("is one wish, however often it is made", () => {
    const { writer, reader } = fullRing();
    writer.wantRoom();
    writer.wantRoom();
    expect(readOne(reader)).toBe(true);
    expect(readOne(reader)).toBe(false);
  });

  it("is answered even when there is nothing to release, so that the writer looks again", () => {
    const { writer, reader } = fullRing();
    readOne(reader);
    writer.wantRoom();
    expect(reader.release()).toBe(true);
  });

  it("is not needed by a writer that finds room", () => {
    const { writer, reader } = fullRing();
    expect(readOne(reader)).toBe(false);
    expect(writer.claim(FRAME_MAX)).toBe(0);
  });

  const read = (reader: RingReader, state: Outcome): void => void (state.rung = readOne(reader));
  const wish = (writer: RingWriter, state: Outcome): void => void (state.found = wishForRoom(writer));

  it.each<[string, Race]>([
    [
      "the reader's release falls into the writer's wishing",
      ({ writer, reader }, state) => [() => read(reader, state), () => wish(writer, state)],
    ],
    [
      "the writer's wishing falls into the reader's release",
      ({ writer, reader }, state) => [() => wish(writer, state), () => read(reader, state)],
    ],
  ])("is never lost, wherever %s", (_, race) => {
    let points = 0;
    for (let intruded = true; intruded; points++) {
      const ring = fullRing();
      const state = { rung: false, found: false };
      intruded = interruptedAt(points, ...race(ring, state));
      if (!intruded) continue;
      // The writer has found room itself, or the bell calls it to look again: never neither.
      expect({ points, served: state.found || state.rung }).toEqual({ points, served: true });
      if (!state.found) expect(ring.writer.claim(FRAME_MAX)).toBe(0);
    }
    expect(points).toBeGreaterThan(3);
  });

  it("is answered exactly once for each wish that was not served, in any order of looking and releasing", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("wish", "read"), { maxLength: 60 }), (acts) => {
        const { writer, reader } = fullRing();
        let standing = false;
        for (const act of acts) {
          if (act === "wish") {
            writer.wantRoom();
            standing = true;
            continue;
          }
          expect(readOne(reader)).toBe(standing);
          standing = false;
          if (writer.claim(FRAME_MAX) >= 0) writer.publish();
        }
      }),
    );
  });
});
