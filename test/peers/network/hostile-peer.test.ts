import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { KIND } from "../../../src/peers/network/frame.ts";
import { message, openNode, until, type TestNode } from "./node-kit.ts";
import { ended, frame, linkStream, openRawPeer, requestFrame, type RawPeer } from "./raw-peer.ts";

const { network } = LIMITS;
let node: TestNode;
let raw: RawPeer;

beforeEach(async () => {
  node = await openNode();
  raw = await openRawPeer();
});

afterEach(async () => {
  await raw[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

const refused = async () => (await node.call.figures(undefined, message())).refused;

/** Another peer, and the hostile one itself on a new stream, are served as before. */
async function isUnharmed(): Promise<void> {
  await using other = await openNode();
  await other.call.dial({ peerId: node.peerId, addresses: [node.address] }, message());
  const body = new Uint8Array(10);
  await other.call.request({ peerId: node.peerId, method: "net.ping", body }, message());
  expect(node.logged).toEqual([]);
}

describe("a hostile peer", () => {
  it.each([
    ["frame_oversize", "a frame larger than any", Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1])],
    ["frame_invalid", "a frame of no kind", frame(77, 1)],
    ["frame_invalid", "bytes without any sense", Buffer.alloc(100, 0x41).fill(0, 0, 3)],
    ["credit", "credit that nobody used", frame(KIND.credit, 0, Buffer.from([0, 0, 1, 0]))],
  ])("is refused as %s for %s; its stream ends, its connection and the node go on", async (why, _, bytes) => {
    const connection = await raw.connect(node.address);
    const stream = await linkStream(connection);
    stream.send(bytes);
    await ended(stream);
    expect(await refused()).toEqual({ [why]: 1 });
    expect(connection.status).toBe("open");
    const again = await linkStream(connection);
    const answered = new Promise((resolve) => again.addEventListener("message", resolve, { once: true }));
    again.send(requestFrame(1, "net.ping"));
    await answered;
    await isUnharmed();
  });

  it("with more streams of requests than it may have loses those beyond", async () => {
    const connection = await raw.connect(node.address);
    const streams = await Promise.all(
      Array.from({ length: network.linksPerPeer + 6 }, () => linkStream(connection)),
    );
    await until(
      () => streams.filter(({ status }) => status !== "open").length === 6,
      "the end of six streams",
    );
    expect(await refused()).toEqual({ streams: 6 });
    await isUnharmed();
  });

  it("with more requests at a time than it may have is told so, and its stream goes on", async () => {
    await node.call.serve({ prefixes: ["hold"] }, message());
    const connection = await raw.connect(node.address);
    const stream = await linkStream(connection);
    let failures = 0;
    stream.addEventListener("message", ({ data }) => {
      const bytes = Buffer.from(data.subarray());
      for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
        if (bytes[at + 4] === KIND.failure) failures += 1;
      }
    });
    for (let id = 1; id <= network.requestsPerPeer + 5; id++) stream.send(requestFrame(id, "hold"));
    await until(() => failures === 5, "five refusals");
    expect(await refused()).toEqual({ requests: 5 });
    expect((await node.call.figures(undefined, message())).serving).toBe(network.requestsPerPeer);
    await connection.close();
    await until(() => node.of("withdrawn").length === network.requestsPerPeer, "the withdrawals");
    expect((await node.call.figures(undefined, message())).serving).toBe(0);
    await isUnharmed();
  });

  it("that asks and never reads is held to its window, and loses nothing but its own answers", async () => {
    const connection = await raw.connect(node.address);
    const stream = await linkStream(connection);
    stream.pause();
    const wanted = Buffer.alloc(4);
    wanted.writeUInt32BE(network.sampleBytes);
    const before = process.memoryUsage().rss;
    for (let id = 1; id <= network.requestsPerPeer; id++) stream.send(requestFrame(id, "net.sample", wanted));
    const own = async () => {
      const { connections } = await node.call.connections(undefined, message());
      return connections.find(({ peerId }) => peerId === raw.peerId);
    };
    await expect
      .poll(async () => (await own())?.requestsServed, { timeout: 10_000 })
      .toBe(network.requestsPerPeer);
    const sentBytes = (await own())?.bytesSent ?? 0;
    expect(sentBytes).toBeGreaterThan(network.windowBytes / 2);
    expect(sentBytes).toBeLessThanOrEqual(network.windowBytes + 10_000);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(64);
    await isUnharmed();
  });

  it("that ends in the middle of a frame, and of a body, leaves nothing behind", async () => {
    await node.call.serve({ prefixes: ["hold"] }, message());
    const connection = await raw.connect(node.address);
    const stream = await linkStream(connection);
    stream.send(requestFrame(1, "hold", new Uint8Array(1_000)).subarray(0, 500));
    const other = await linkStream(connection);
    other.send(requestFrame(1, "hold", new Uint8Array(1_000)));
    await until(() => node.of("requested").length === 1);
    connection.abort(new Error("gone"));
    await until(() => node.of("disconnected").length === 1);
    expect((await node.call.figures(undefined, message())).serving).toBe(0);
    expect(await refused()).toEqual({});
    await isUnharmed();
  });
});

describe("a connection that is dead though it says that it is open", () => {
  it("is aborted at the first stream that it refuses, and the peer dialled again, once", async () => {
    const protocol = "/test/any/1.0.0";
    await raw.node.handle(protocol, (stream) => void stream.send(new Uint8Array([7])));
    const [address] = raw.node.getMultiaddrs().map(String);
    await node.call.dial({ peerId: raw.peerId, addresses: [address ?? ""] }, message());
    const open = () => node.call.openStream({ peerId: raw.peerId, protocol }, message());
    await open();
    // What carries the streams has ended at both ends; the connection below has not.
    const [connection] = raw.node.getConnections();
    (connection as unknown as { muxer: { abort(why: Error): void } }).muxer.abort(
      new Error("too many early streams"),
    );
    const first = async () => (await node.call.readStream({ streamId: 1 }, message())).bytes;
    expect(await first()).toEqual(new Uint8Array([7]));
    await expect(first()).rejects.toMatchObject({ code: "PEER_LOST" });
    expect(connection?.status).toBe("open");
    const { streamId } = await open();
    expect((await node.call.readStream({ streamId }, message())).bytes).toEqual(new Uint8Array([7]));
    expect(node.of("connected").length).toBe(2);
    expect(node.of("disconnected").length).toBe(1);
  });
});
