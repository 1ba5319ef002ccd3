import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer, peerId } from "../peers/shapes.ts";
import { CHANGES, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE } from "./shapes.ts";

export const peerRevoke = defineTool({
  name: "peer_revoke",
  title: "Take back what a peer may do",
  description: "Takes back what a peer was allowed on this node, and stops what it has running here.",
  input: z.strictObject({ peer_id: peerId }),
  output: z.looseObject({ ...peerAnswer, peer_id: text, revoked_count: count, stopped_tasks: count }),
  hints: { ...CHANGES, destructiveHint: true, idempotentHint: true },
  metadata: OF_REMOTE,
  echo: ["peer_id"],
  degraded: () => degraded(),
  async run({ peer_id: id }, { system }) {
    const { revoked, stopped } = await system.peers.revoke(id);
    return { peer_id: id, revoked_count: revoked, stopped_tasks: stopped };
  },
});
