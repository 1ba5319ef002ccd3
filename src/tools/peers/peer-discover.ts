import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { count, numberOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import {
  ASKS_PEERS,
  capabilityFilter,
  degraded,
  ofPeers,
  peerAnswer,
  peerOf,
  peerShape,
  seconds,
} from "./shapes.ts";

export const peerDiscover = defineTool({
  name: "peer_discover",
  title: "Discover peers",
  description: "Looks for peers on the network, and lists those that were found with what they can do.",
  input: z.strictObject({
    capability_filter: capabilityFilter,
    max_peers: z.int().min(1).max(LIMITS.peers.discovered).default(10).describe("How many at most"),
    timeout: seconds.default(30).describe("Seconds to look for them"),
    include_metrics: z.boolean().default(false).describe("Add what was measured of each"),
  }),
  output: z.looseObject({
    ...peerAnswer,
    peers: z.array(peerShape).optional(),
    discovered_count: count,
    search_time: numberOrNull,
    capability_filter: z.array(z.string()).nullable().optional(),
    max_peers: count,
    sources: z
      .array(z.looseObject({ source: z.string(), found: z.int(), failure: z.string().nullable() }))
      .optional(),
  }),
  hints: ASKS_PEERS,
  metadata: ofPeers(7, 30),
  echo: [],
  waitsMs: ({ timeout }) => timeout * 1_000,
  degraded: () => degraded({ peers: [], discovered_count: 0, search_time: 0 }),
  async run({ capability_filter: filter, max_peers: max, timeout, include_metrics: figures }, call) {
    const { peers, sources, tookMs } = await call.system.peers.discover({
      capabilities: filter ?? [],
      max,
      timeoutMs: timeout * 1_000,
      signal: call.signal,
    });
    return {
      peers: peers.map((peer) => peerOf(peer, figures)),
      discovered_count: peers.length,
      search_time: tookMs / 1_000,
      capability_filter: filter ?? null,
      max_peers: max,
      sources: sources.map(({ source, found, failure }) => ({ source, found, failure })),
    };
  },
});
