import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import { AnsweringLink, type Answerer } from "../../src/peers/network/answering-link.ts";
import { AskingLink } from "../../src/peers/network/asking-link.ts";
import { byteStreamOf, carryLink } from "../../src/peers/network/libp2p-stream.ts";
import { systemClock } from "../../src/scope/index.ts";

/** A node of libp2p with nothing on it but the two protocols that are compared. */

export const BARE = "/bench/bare/1.0.0";
export const LINK = "/bench/link/1.0.0";

export function openBareNode(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
  });
}

const HEAD_BYTES = 8;

/** Frames of the bare protocol: a length, a number, bytes. The least that requests on one stream need. */
export function bareFrame(id: number, body: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.writeUInt32BE(id, 4);
  frame.set(body, HEAD_BYTES);
  return frame;
}

export function readBare(stream: Stream, take: (id: number, body: Uint8Array) => void): void {
  let left: Buffer = Buffer.alloc(0);
  stream.addEventListener("message", ({ data }) => {
    const chunk = data.subarray();
    let bytes =
      left.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([left, chunk]);
    while (bytes.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + bytes.readUInt32BE(0);
      if (bytes.length < end) break;
      take(bytes.readUInt32BE(4), new Uint8Array(bytes.subarray(HEAD_BYTES, end)));
      bytes = bytes.subarray(end);
    }
    left = bytes;
  });
}

const soon = (run: () => void): void => process.nextTick(run);
const ECHO: Answerer = {
  admit: () => null,
  leave: () => undefined,
  carryOut(request, answer) {
    answer({ ok: true, body: request.body });
    return null;
  },
};
const place = { clock: systemClock, soon, ended: () => undefined, offended: () => undefined };

export async function serveBoth(node: Libp2p): Promise<void> {
  await node.handle(BARE, (stream) => readBare(stream, (id, body) => void stream.send(bareFrame(id, body))));
  await node.handle(LINK, (stream, { remotePeer }) => {
    const link = new AnsweringLink(
      { ...place, peerId: remotePeer.toString(), stream: byteStreamOf(stream) },
      ECHO,
    );
    carryLink(stream, link, report);
  });
}

/** One request, and its answer. */
export type Ask = (body: Uint8Array) => Promise<Uint8Array>;

export async function askBare(connection: Connection): Promise<Ask> {
  const stream = await connection.newStream(BARE);
  const waiting = new Map<number, (body: Uint8Array) => void>();
  let lastId = 0;
  readBare(stream, (id, body) => {
    waiting.get(id)?.(body);
    waiting.delete(id);
  });
  return (body) => {
    const id = ++lastId;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    waiting.set(id, resolve);
    stream.send(bareFrame(id, body));
    return promise;
  };
}

export async function askLink(connection: Connection): Promise<Ask> {
  const stream = await connection.newStream(LINK);
  const link = new AskingLink({
    ...place,
    peerId: connection.remotePeer.toString(),
    stream: byteStreamOf(stream),
  });
  carryLink(stream, link, report);
  return (body) => link.request({ method: "echo", body, timeoutMs: 60_000 });
}

const report = (error: unknown): void => void process.stderr.write(`bench: ${String(error)}\n`);
