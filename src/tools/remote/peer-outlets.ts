import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer } from "../peers/shapes.ts";
import { READS } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE, outletOf, outletShape } from "./shapes.ts";

export const peerOutlets = defineTool({
  name: "peer_outlets",
  title: "Where tasks may go",
  description:
    "Lists the peers on which tasks of this node may run, what is there now, and why nothing goes there.",
  input: z.strictObject({}),
  output: z.looseObject({ ...peerAnswer, outlets: z.array(outletShape).optional() }),
  hints: READS,
  metadata: OF_REMOTE,
  echo: [],
  degraded: () => degraded({ outlets: [] }),
  run: async (_, { system }) => ({ outlets: (await system.peers.outlets()).map(outletOf) }),
});
