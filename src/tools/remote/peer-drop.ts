import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer, peerId } from "../peers/shapes.ts";
import { CHANGES, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE } from "./shapes.ts";

export const peerDrop = defineTool({
  name: "peer_drop",
  title: "Send a peer nothing more",
  description:
    "Forgets the token of a peer: no task of this node goes there any more, and what it has is given back.",
  input: z.strictObject({ peer_id: peerId }),
  output: z.looseObject({ ...peerAnswer, peer_id: text, returned_tasks: count }),
  hints: { ...CHANGES, destructiveHint: true, idempotentHint: true },
  metadata: OF_REMOTE,
  echo: ["peer_id"],
  degraded: () => degraded(),
  async run({ peer_id: id }, { system }) {
    const { returned } = await system.peers.drop(id);
    return { peer_id: id, returned_tasks: returned };
  },
});
