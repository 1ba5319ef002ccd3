import { expect, it } from "vitest";
import { FrameReader, frameOf, type Frame } from "../../../src/mcp/p2p/frame.ts";
import { seededRandom, testSeed } from "../../kit/seeded-random.ts";

const read = (reader: FrameReader, ...chunks: Uint8Array[]): Frame[] =>
  chunks.flatMap((chunk) => [...reader.feed(chunk)]);

const prefix = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
};

it("writes the published vector: a compact initialize of 58 bytes behind the prefix 0000003a", () => {
  const frame = frameOf({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} });
  expect(frame.subarray(0, 4).toString("hex")).toBe("0000003a");
  expect(frame.subarray(4).toString()).toBe('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}');
});

it("counts the bytes of the text, and not its characters", () => {
  const frame = frameOf({ name: "größe 🧪" });
  expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
  expect(read(new FrameReader(1_000), frame)).toEqual([{ kind: "message", message: { name: "größe 🧪" } }]);
});

it("puts frames together from pieces of any size", () => {
  const random = seededRandom(testSeed());
  const messages = Array.from({ length: 40 }, (_, n) => ({
    n,
    text: "ä".repeat(Math.floor(random.next() * 3_000)),
  }));
  const bytes = Buffer.concat(messages.map(frameOf));
  const reader = new FrameReader(100_000);
  const frames: Frame[] = [];
  for (let from = 0; from < bytes.length;) {
    const to = from + 1 + Math.floor(random.next() * (random.next() < 0.5 ? 5 : 5_000));
    frames.push(...reader.feed(bytes.subarray(from, to)));
    from = to;
  }
  expect(frames).toEqual(messages.map((message) => ({ kind: "message", message })));
  expect(reader.isBetweenFrames).toBe(true);
});

it("reads what is escaped as ASCII like what is not", () => {
  const body = Buffer.from('{"name":"gr\\u00f6\\u00dfe"}');
  expect(read(new FrameReader(100), prefix(body.length), body)).toEqual([
    { kind: "message", message: { name: "größe" } },
  ]);
});

it("refuses a frame that is too long by its prefix, before anything of it has come", () => {
  expect(read(new FrameReader(100), prefix(101))).toEqual([{ kind: "wrong", why: "frame_too_large" }]);
  expect(read(new FrameReader(100), prefix(0xffff_ffff))).toEqual([
    { kind: "wrong", why: "frame_too_large" },
  ]);
});

it("takes a frame that is just as long as may be", () => {
  const message = { a: "x".repeat(100 - '{"a":""}'.length) };
  expect(read(new FrameReader(100), frameOf(message))).toEqual([{ kind: "message", message }]);
});

it.each([
  ["no JSON", "{", "invalid_json"],
  ["nothing", "", "invalid_json"],
  ["a byte order mark", "\ufeff{}", "invalid_json"],
  ["an array", "[{}]", "invalid_message"],
  ["a number", "1", "invalid_message"],
  ["null", "null", "invalid_message"],
])("tells what is wrong with %s, and reads nothing after it", (_, text, why) => {
  const body = Buffer.from(text);
  const reader = new FrameReader(100);
  const bytes = Buffer.concat([prefix(body.length), body, frameOf({})]);
  expect(read(reader, bytes)).toEqual([{ kind: "wrong", why }]);
  expect(read(reader, frameOf({}))).toEqual([]);
});

it("refuses bytes that are no UTF-8", () => {
  const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  expect(read(new FrameReader(100), prefix(body.length), body)).toEqual([
    { kind: "wrong", why: "invalid_json" },
  ]);
});

it("makes no more room for a frame than twice what has come of it", () => {
  const reader = new FrameReader(2 ** 30);
  const before = process.memoryUsage().arrayBuffers;
  read(reader, prefix(2 ** 30), Buffer.alloc(100_000));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000);
  expect(reader.isBetweenFrames).toBe(false);
});
