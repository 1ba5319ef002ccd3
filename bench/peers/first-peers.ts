import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import type { Figures } from "../kit/turns.ts";
import { openNode, type PeerNode } from "./nodes.ts";

const BLACK_HOLES = 14;
const REFUSING = 6;
const LIVE = 4;
const NEEDED = 3;

/**
 * How soon a node has its first peers, of 24 of which 14 take the connection and never say a word, 6 refuse it, and 4 are
 * nodes; these come last.
 */
export async function firstPeers(): Promise<Figures> {
  const holes = await Promise.all(Array.from({ length: BLACK_HOLES }, listening));
  const refusing = await Promise.all(Array.from({ length: REFUSING }, closedPort));
  const live: PeerNode[] = [];
  for (let at = 0; at < LIVE; at++)
    live.push(await openNode({ data: null, threads: 1, handlers: false, network: {} }));
  const asker = await openNode({ data: null, threads: 1, handlers: false, network: {} });
  try {
    const dead = await Promise.all([...holes.map(portOf), ...refusing].map(addressOfStranger));
    const nodes = [...dead, ...live.flatMap(({ addresses }) => addresses.slice(0, 1))];
    const sinceMs = performance.now();
    const { ready } = await asker.child.ask<{ ready: boolean }>("bootstrap", {
      nodes,
      connectionsMin: NEEDED,
      connectionsMax: NEEDED,
      timeoutMs: 30_000,
    });
    const tookMs = performance.now() - sinceMs;
    if (!ready) throw new Error("the node was never ready");
    return { bootstrap_24: tookMs };
  } finally {
    for (const { child } of [asker, ...live]) {
      await child.ask("close");
      await child.end();
    }
    for (const hole of holes) hole.close();
  }
}

/** Takes connections, and never answers. */
async function listening(): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** A port where nobody listens any more. */
async function closedPort(): Promise<number> {
  const server = await listening();
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

async function addressOfStranger(port: number): Promise<string> {
  const peerId = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
  return `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId.toString()}`;
}
