import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer } from "../peers/shapes.ts";
import { CHANGES } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE, outletOf, outletShape, token } from "./shapes.ts";

export const peerUse = defineTool({
  name: "peer_use",
  title: "Use what a peer allows",
  description:
    "Takes the token that another node has made for this one with peer_allow. From then on tasks of the types that it " +
    "names may run there while that peer is connected.",
  input: z.strictObject({ token: token.describe("As the other node's peer_allow answered it") }),
  output: z.looseObject({ ...peerAnswer, ...outletShape.partial().shape }),
  hints: { ...CHANGES, idempotentHint: true, openWorldHint: true },
  metadata: OF_REMOTE,
  echo: [],
  degraded: () => degraded(),
  run: async (args, { system }) => outletOf(await system.peers.use(args.token)),
});
