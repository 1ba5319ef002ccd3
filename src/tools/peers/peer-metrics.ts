import { LIMITS } from "../../errors/index.ts";
import type { PeerFigures } from "../../peers/peers.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { READS, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { isoTime } from "../workflow/shapes.ts";
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
  async run({ peer_id: id, include_history: withHistory, history_hours: hours }, { system }) {
    const peer = await system.peers.get(id);
    const points = withHistory ? await system.peers.history(id, hours) : null;
    return {
      peer_id: id,
      current_metrics: figuresOf(peer.figures),
      connection_info: {
        status: peer.status,
        connected_since: isoTime(peer.connectedSinceMs),
        last_active: isoTime(peer.lastSeenMs),
        protocol_version: peer.protocolVersion,
        peer_type: peer.agent,
        capabilities: [...peer.capabilities],
      },
      timestamp: new Date().toISOString(),
      ...(points !== null && {
        history: points.map((point) => ({ timestamp: isoTime(point.atMs), ...figuresOf(point) })),
        history_hours: hours,
      }),
    };
  },
});

const figuresOf = (figures: PeerFigures): Record<string, number | null> => ({
  latency_ms: figures.latencyMs,
  bandwidth_mbps: figures.bandwidthMbps,
  packet_loss_percent: figures.lossPercent,
  connection_quality: figures.quality,
  reliability_score: figures.reliability,
  uptime_hours: figures.uptimeHours,
  requests_served: figures.requestsServed,
  bytes_transferred: figures.bytesTransferred,
});
