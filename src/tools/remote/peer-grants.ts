import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer } from "../peers/shapes.ts";
import { READS } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE, grantOf, grantShape } from "./shapes.ts";

export const peerGrants = defineTool({
  name: "peer_grants",
  title: "What peers may do",
  description: "Lists what peers may do on this node, what they have done, and why they were refused.",
  input: z.strictObject({}),
  output: z.looseObject({
    ...peerAnswer,
    grants: z.array(grantShape).optional(),
    refusals: z.record(z.string(), z.int()).optional(),
    latest_refusals: z
      .array(z.looseObject({ time: z.string(), peer_id: z.string(), why: z.string() }))
      .optional(),
  }),
  hints: READS,
  metadata: OF_REMOTE,
  echo: [],
  degraded: () => degraded({ grants: [] }),
  async run(_, { system }) {
    const [grants, refusals] = await Promise.all([system.peers.grants(), system.peers.refusals(20)]);
    return {
      grants: grants.map(grantOf),
      refusals: refusals.counts,
      latest_refusals: refusals.latest.map(({ atMs, peerId, why }) => ({
        time: new Date(atMs).toISOString(),
        peer_id: peerId,
        why,
      })),
    };
  },
});
