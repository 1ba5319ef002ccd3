import { setTimeout as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { patterned } from "./link-kit.ts";
import { dialled, message, openNode, until, type TestNode } from "./node-kit.ts";
import { openRawPeer } from "./raw-peer.ts";

const { network } = LIMITS;
const PROTOCOL = "/test/echo/1.0.0";
const code = (value: string) => expect.objectContaining({ code: value }) as unknown;

interface Opened {
  readonly streamId: number;
  readonly peerId: string;
  readonly protocol: string;
}

async function pair(): Promise<
  { one: TestNode; other: TestNode; here: number; there: number } & AsyncDisposable
> {
  const one = await openNode();
  const other = await openNode();
  await other.call.acceptStreams({ protocols: [PROTOCOL] }, message());
  await dialled(one, other);
  const { streamId: here } = await one.call.openStream(
    { peerId: other.peerId, protocol: PROTOCOL },
    message(),
  );
  const opened = await until(() => other.of<Opened>("opened")[0]);
  expect(opened).toMatchObject({ peerId: one.peerId, protocol: PROTOCOL });
  return {
    one,
    other,
    here,
    there: opened.streamId,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

async function readAll(node: TestNode, streamId: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const { bytes } = await node.call.readStream({ streamId }, message());
    if (bytes === null) return Buffer.concat(parts);
    expect(bytes.length).toBeLessThanOrEqual(network.readBytes);
    parts.push(bytes);
  }
}

describe("a byte stream", () => {
  it("carries bytes both ways, and its end after the last of them", async () => {
    await using streams = await pair();
    const { one, other, here, there } = streams;
    const sent = patterned(300_000);
    const reading = readAll(other, there);
    await one.call.writeStream({ streamId: here, bytes: sent }, message());
    await other.call.writeStream({ streamId: there, bytes: patterned(10) }, message());
    expect((await one.call.readStream({ streamId: here }, message())).bytes).toEqual(patterned(10));
    await one.call.closeStream({ streamId: here, graceful: true }, message());
    expect(Buffer.compare(await reading, sent)).toBe(0);
    await expect(one.call.readStream({ streamId: here }, message())).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
  });

  it("slows a sender down whose reader is slow, and loses and reorders nothing", async () => {
    await using streams = await pair();
    const { one, other, here, there } = streams;
    const piece = patterned(256 * 1_024);
    let written = 0;
    const writing = (async () => {
      for (let index = 0; index < 48; index++) {
        await one.call.writeStream({ streamId: here, bytes: piece }, message());
        written += 1;
      }
      await one.call.closeStream({ streamId: here, graceful: true }, message());
    })();
    let read = 0;
    let ahead = 0;
    for (;;) {
      await turn(read < 4 * 1_048_576 ? 4 : 0);
      ahead = Math.max(ahead, written * piece.length - read);
      const { bytes } = await other.call.readStream({ streamId: there }, message());
      if (bytes === null) break;
      for (let at = 0; at < bytes.length; at += 10_007) {
        expect(bytes[at]).toBe(piece[(read + at) % piece.length]);
      }
      read += bytes.length;
    }
    await writing;
    expect(read).toBe(48 * piece.length);
    // What is written and not read is in the memory of either side, within the bounds of both.
    expect(ahead / 1_048_576).toBeLessThan(4);
    expect((await other.call.figures(undefined, message())).refused).toEqual({});
  });

  it("that is reset rejects its reader with PEER_LOST; so does one whose peer has gone", async () => {
    await using streams = await pair();
    const { one, other, here, there } = streams;
    const reading = other.call.readStream({ streamId: there }, message());
    const lost = expect(reading).rejects.toEqual(code("PEER_LOST"));
    await one.call.closeStream({ streamId: here, graceful: false }, message());
    await lost;
    const { streamId } = await one.call.openStream({ peerId: other.peerId, protocol: PROTOCOL }, message());
    const waiting = one.call.readStream({ streamId }, message());
    const gone = expect(waiting).rejects.toEqual(code("PEER_LOST"));
    await other[Symbol.asyncDispose]();
    await gone;
    await expect(one.call.writeStream({ streamId, bytes: patterned(1) }, message())).rejects.toEqual(
      code("PEER_LOST"),
    );
  });

  it("gives a read that is taken back no bytes, and the next one all of them", async () => {
    await using streams = await pair();
    const { one, other, here, there } = streams;
    const taking = new AbortController();
    const read = other.call.readStream({ streamId: there }, message({ signal: taking.signal }));
    const caught = expect(read).rejects.toBeDefined();
    taking.abort(new Error("no longer"));
    await caught;
    await one.call.writeStream({ streamId: here, bytes: patterned(5) }, message());
    expect((await other.call.readStream({ streamId: there }, message())).bytes).toEqual(patterned(5));
  });

  it("of a protocol that the peer does not speak is PEER_PROTOCOL; of our own it is INVALID_ARGUMENT", async () => {
    await using streams = await pair();
    const { one, other } = streams;
    const open = (protocol: string) => one.call.openStream({ peerId: other.peerId, protocol }, message());
    await expect(open("/nobody/1.0.0")).rejects.toEqual(code("PEER_PROTOCOL"));
    await expect(open("/mcplusplus/link/1.0.0")).rejects.toEqual(code("INVALID_ARGUMENT"));
    await expect(open("no protocol")).rejects.toEqual(code("INVALID_ARGUMENT"));
  });

  it("one too many is refused on the side that opens, and reset on the side that is opened to", async () => {
    await using streams = await pair();
    const { one, other } = streams;
    const open = () => one.call.openStream({ peerId: other.peerId, protocol: PROTOCOL }, message());
    for (let index = 1; index < network.streamsPerPeer; index++) await open();
    await expect(open()).rejects.toEqual(code("PEER_LIMITED"));
    await using raw = await openRawPeer();
    const connection = await raw.connect(other.address);
    const flood = await Promise.all(
      Array.from({ length: network.streamsPerPeer + 3 }, () =>
        connection.newStream(PROTOCOL, { maxOutboundStreams: 1_000 }),
      ),
    );
    await until(() => flood.filter(({ status }) => status !== "open").length === 3, "three resets");
    expect((await other.call.figures(undefined, message())).refused).toEqual({ streams: 3 });
  });
});
