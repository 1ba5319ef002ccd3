import { z } from "../../schema/zod-schema.ts";
import { READS, count, flag, limit, offset } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { networkOff } from "./network-off.ts";
import { capabilityFilter, degraded, ofPeers, peerAnswer, peerShape } from "./shapes.ts";

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
  run: async () => networkOff(),
});
