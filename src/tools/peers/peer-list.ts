import { z } from "../../schema/zod-schema.ts";
import { READS, count, flag, limit, offset } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { capabilityFilter, degraded, ofPeers, peerAnswer, peerOf, peerShape } from "./shapes.ts";

export const peerList = defineTool({
  name: "peer_list",
  title: "List peers",
  description: "Lists the peers that are known, connected or not, page by page.",
  input: z.strictObject({
    status_filter: z.enum(["connected", "connecting", "disconnected"]).nullish(),
    capability_filter: capabilityFilter,
    sort_by: z
      .enum(["last_seen", "latency", "bandwidth", "peer_id"])
      .default("last_seen")
      .describe("Latest, fastest, widest, or by id first"),
    limit,
    offset,
  }),
  output: z.looseObject({
    ...peerAnswer,
    peers: z.array(peerShape).optional(),
    total_count: count,
    returned_count: count,
    has_more: flag,
    limit: count,
    offset: count,
    filters: z.looseObject({}).optional(),
  }),
  hints: READS,
  metadata: ofPeers(7, 30),
  echo: [],
  degraded: () => degraded({ peers: [], total_count: 0, returned_count: 0, has_more: false }),
  async run(
    { status_filter: status, capability_filter: filter, sort_by: sortBy, limit: most, offset: from },
    call,
  ) {
    const { peers, total } = await call.system.peers.list({
      ...(typeof status === "string" && { status }),
      ...(Array.isArray(filter) && { capabilities: filter }),
      sortBy,
      limit: most,
      offset: from,
    });
    return {
      peers: peers.map((peer) => peerOf(peer, true)),
      total_count: total,
      returned_count: peers.length,
      has_more: from + peers.length < total,
      limit: most,
      offset: from,
      filters: { status: status ?? null, capabilities: filter ?? null, sort_by: sortBy },
    };
  },
});
