import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer } from "../peers/shapes.ts";
import { READS, count, text, textOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { isoTime } from "../workflow/shapes.ts";
import { OF_REMOTE } from "./shapes.ts";

export const nodeStatus = defineTool({
  name: "node_status",
  title: "This node",
  description:
    "Tells this node's id and addresses, how it is connected, its public address and kind of NAT as far as they are known, " +
    "and what it has refused.",
  input: z.strictObject({}),
  output: z.looseObject({
    ...peerAnswer,
    peer_id: text,
    addresses: z.array(z.string()).optional(),
    connections: count,
    state: text,
    nat_type: text,
    public_ipv4: textOrNull,
    public_ipv6: textOrNull,
    mapped_address: textOrNull,
    next_try: textOrNull,
    refused: z.record(z.string(), z.int()).optional(),
  }),
  hints: READS,
  metadata: OF_REMOTE,
  echo: [],
  degraded: () => degraded(),
  async run(_, { system }) {
    const [node, view] = await Promise.all([system.peers.node(), system.peers.reach()]);
    return {
      peer_id: node.peerId,
      addresses: [...node.addresses],
      connections: node.connections,
      state: view.state,
      nat_type: view.natType,
      public_ipv4: view.publicAddress.ipv4,
      public_ipv6: view.publicAddress.ipv6,
      mapped_address: view.mappedAddress,
      next_try: isoTime(view.nextTryMs === null ? null : Date.now() + view.nextTryMs),
      refused: { ...node.refused },
    };
  },
});
