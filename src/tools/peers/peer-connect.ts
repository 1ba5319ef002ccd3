import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { count, flag, numberOrNull, text, textOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { CHANGES_PEERS, degraded, multiaddr, ofPeers, peerAnswer, peerId, seconds } from "./shapes.ts";

export const peerConnect = defineTool({
  name: "peer_connect",
  title: "Connect to a peer",
  description: "Opens a connection to a peer at an address, and tries again when that fails.",
  input: z.strictObject({
    peer_id: peerId,
    multiaddr: multiaddr.describe("Where it is, such as /ip4/192.0.2.7/tcp/4001"),
    timeout: seconds.default(30).describe("Seconds for each attempt"),
    retry_count: z.int().min(0).max(LIMITS.peers.retries).default(3).describe("Attempts at most"),
    persist: z.boolean().default(true).describe("Connect again when the connection is lost"),
  }),
  output: z.looseObject({
    ...peerAnswer,
    peer_id: text,
    multiaddr: text,
    connection_id: text,
    connection_time: numberOrNull,
    protocol_version: textOrNull,
    peer_capabilities: z.array(z.string()).optional(),
    persist: flag,
    attempts: count,
  }),
  hints: CHANGES_PEERS,
  metadata: ofPeers(8, 30),
  echo: ["peer_id", "multiaddr"],
  waitsMs: ({ timeout, retry_count }) => timeout * Math.max(1, retry_count) * 1_000,
  degraded: () => degraded({ attempts: 0 }),
  async run({ peer_id: peerId, multiaddr: address, timeout, retry_count: retries, persist }, call) {
    const connected = await call.system.peers.connect(peerId, address, {
      attempts: Math.max(1, retries),
      attemptMs: timeout * 1_000,
      persist,
      signal: call.signal,
    });
    const { peer } = connected;
    return {
      peer_id: peerId,
      multiaddr: address,
      connection_id: connected.connectionId,
      connection_time: connected.tookMs / 1_000,
      protocol_version: peer.protocolVersion,
      peer_capabilities: [...peer.capabilities],
      persist,
      attempts: connected.attempts,
    };
  },
});
