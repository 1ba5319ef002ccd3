import { noise } from "@libp2p/noise";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { KIND, requestHead, writeHeader, type Kind } from "../../../src/peers/network/frame.ts";
import { LINK_PROTOCOL } from "../../../src/peers/network/peer-book.ts";

/** A peer that speaks libp2p by itself, and what it likes beyond that. */
export interface RawPeer extends AsyncDisposable {
  readonly node: Libp2p;
  readonly peerId: string;
  connect(address: string): Promise<Connection>;
}

export async function openRawPeer(): Promise<RawPeer> {
  const node = await createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionMonitor: { enabled: false },
  });
  return {
    node,
    peerId: node.peerId.toString(),
    connect: (address) => node.dial(multiaddr(address)),
    [Symbol.asyncDispose]: async () => node.stop(),
  };
}

export const linkStream = (connection: Connection): Promise<Stream> =>
  connection.newStream(LINK_PROTOCOL, { maxOutboundStreams: 1_000 });

/** Resolves when the other side has reset or closed it. */
export async function ended(stream: Stream): Promise<void> {
  if (stream.status !== "open") return;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.addEventListener("close", () => resolve(), { once: true });
  await promise;
}

export function frame(kind: number, id: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.set(payload, writeHeader(bytes, 0, kind as Kind, id, payload.length));
  return bytes;
}

export function requestFrame(id: number, method: string, body: Uint8Array = new Uint8Array()): Buffer {
  const head = requestHead({ remainingMs: 60_000, bodyBytes: body.length, method, traceparent: undefined });
  return frame(KIND.request, id, Buffer.concat([head, body]));
}
