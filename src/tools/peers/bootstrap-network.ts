import { LIMITS, fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { count, flag, numberOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { CHANGES_PEERS, degraded, multiaddr, ofPeers, peerAnswer, seconds } from "./shapes.ts";

const { bootstrapNodes, connections } = LIMITS.peers;

export const bootstrapNetwork = defineTool({
  name: "bootstrap_network",
  title: "Join the network",
  description:
    "Connects to the first peers of the network. It is ready when as many connections are up as were asked for.",
  input: z
    .strictObject({
      bootstrap_nodes: z
        .array(multiaddr)
        .min(1)
        .max(bootstrapNodes)
        .nullish()
        .describe("Addresses of the first peers; default: those of the configuration"),
      timeout: seconds.default(60).describe("Seconds for all of it"),
      min_connections: z.int().min(1).max(connections).default(3).describe("Connections that make it ready"),
      max_connections: z.int().min(1).max(connections).default(10).describe("Nodes that are tried at most"),
    })
    .refine(
      ({ min_connections: least, max_connections: most }) => least <= most,
      "min_connections is above max_connections",
    ),
  output: z.looseObject({
    ...peerAnswer,
    connected_count: count,
    failed_count: count,
    bootstrap_nodes_used: z.array(z.string()).optional(),
    connected_peers: z.array(z.string()).optional(),
    network_ready: flag,
    bootstrap_time: numberOrNull,
    min_connections: count,
    max_connections: count,
  }),
  hints: CHANGES_PEERS,
  metadata: ofPeers(8, 60, "p2p_bootstrap"),
  echo: [],
  waitsMs: ({ timeout }) => timeout * 1_000,
  degraded: () =>
    degraded({
      connected_count: 0,
      failed_count: 0,
      connected_peers: [],
      network_ready: false,
      bootstrap_time: 0,
    }),
  async run({ bootstrap_nodes: nodes, timeout, min_connections: least, max_connections: most }, call) {
    const { ready, attempts, connectedPeers, tookMs } = await call.system.peers.bootstrap({
      nodes: nodes ?? [],
      connectionsMin: least,
      connectionsMax: most,
      timeoutMs: timeout * 1_000,
      signal: call.signal,
    });
    if (!ready) {
      const failures = attempts.filter(({ error }) => error !== null);
      const first = failures[0]?.error ?? "no node was left to try";
      const why = `${connectedPeers.length} of ${least} connections are up; ${first}`;
      throw fault("PEER_UNREACHABLE", { peer: "the network", why, attempts: attempts.length });
    }
    return {
      connected_count: connectedPeers.length,
      failed_count: attempts.filter(({ status }) => status !== "success").length,
      bootstrap_nodes_used: attempts.map(({ address }) => address),
      connected_peers: connectedPeers,
      network_ready: ready,
      bootstrap_time: tookMs / 1_000,
      min_connections: least,
      max_connections: most,
    };
  },
});
