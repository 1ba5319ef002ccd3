import { z } from "../../schema/zod-schema.ts";
import { flag, numberOrNull, reason, text, textOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { CHANGES_PEERS, degraded, ofPeers, peerAnswer, peerId } from "./shapes.ts";

export const peerDisconnect = defineTool({
  name: "peer_disconnect",
  title: "Disconnect from a peer",
  description: "Closes the connection to a peer; gracefully, after what is under way on it has ended.",
  input: z.strictObject({
    peer_id: peerId,
    reason: reason.describe("Is told to the peer"),
    graceful: z.boolean().default(true).describe("Let what is under way end"),
  }),
  output: z.looseObject({
    ...peerAnswer,
    peer_id: text,
    was_connected: flag,
    graceful: flag,
    reason: textOrNull,
    cleanup_performed: flag,
    disconnection_time: numberOrNull,
  }),
  hints: CHANGES_PEERS,
  metadata: ofPeers(8, 15),
  echo: ["peer_id"],
  degraded: () => degraded(),
  async run({ peer_id: peerId, reason: why, graceful }, { system }) {
    const { wasConnected, tookMs } = await system.peers.disconnect(peerId, {
      graceful,
      ...(typeof why === "string" && { reason: why }),
    });
    return {
      peer_id: peerId,
      was_connected: wasConnected,
      graceful,
      reason: why ?? null,
      cleanup_performed: true,
      disconnection_time: tookMs / 1_000,
    };
  },
});
