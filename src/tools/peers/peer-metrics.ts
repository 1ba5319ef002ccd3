import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { READS, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { networkOff } from "./network-off.ts";
import { degraded, ofPeers, peerAnswer, peerId } from "./shapes.ts";

export const peerMetrics = defineTool({
  name: "peer_metrics",
  title: "Figures of a peer",
  description: "Tells what was measured of the connection to a peer; what has not been measured is null.",
  input: z.strictObject({
    peer_id: peerId,
    include_history: z.boolean().default(false).describe("Add one point for each hour, oldest first"),
    history_hours: z.int().min(1).max(LIMITS.peers.historyHours).default(24).describe("How far back"),
  }),
  output: z.looseObject({
    ...peerAnswer,
    peer_id: text,
    current_metrics: z.looseObject({}).optional(),
    connection_info: z.looseObject({}).optional(),
    timestamp: text,
    history: z.array(z.looseObject({})).optional(),
    history_hours: count,
  }),
  hints: READS,
  metadata: ofPeers(6, 15),
  echo: ["peer_id"],
  degraded: () => degraded(),
  run: async () => networkOff(),
});
