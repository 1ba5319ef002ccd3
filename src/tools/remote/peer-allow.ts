import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { degraded, peerAnswer, peerId } from "../peers/shapes.ts";
import { CHANGES, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { OF_REMOTE, names } from "./shapes.ts";

const HOURS_MAX = 87_600;

export const peerAllow = defineTool({
  name: "peer_allow",
  title: "Let a peer in",
  description:
    "Lets a peer run tasks of the named types, or call the named tools, on this node, in place of what it was allowed " +
    "before. The answer holds a token to be handed to whoever runs that peer; to any other peer it is worth nothing.",
  input: z
    .strictObject({
      peer_id: peerId,
      actions: names.default([]).describe("Task types that it may run here; * is any"),
      tools: names
        .default([])
        .describe("Tools that it may call here; * is any that is offered to peers and destroys nothing"),
      concurrency: z.int().min(1).max(LIMITS.remote.concurrency).default(4).describe("Tasks at once"),
      per_minute: z.int().min(1).default(600).describe("Starts per minute"),
      bytes_max: z.int().min(1).default(104_857_600).describe("Bytes of one input or output"),
      hours: z.number().positive().max(HOURS_MAX).default(168).describe("How long it holds"),
    })
    .refine(
      ({ actions, tools }) => actions.length + tools.length > 0,
      "at least one of actions and tools is needed; peer_revoke takes back what was allowed",
    ),
  output: z.looseObject({ ...peerAnswer, peer_id: text, grant_id: text, token: text, expires_time: text }),
  hints: { ...CHANGES, idempotentHint: false },
  metadata: OF_REMOTE,
  echo: ["peer_id"],
  degraded: () => degraded(),
  async run({ peer_id: id, per_minute: perMinute, bytes_max: bytesMax, hours, ...rest }, { system }) {
    const options = { ...rest, perMinute, bytesMax, holdsMs: hours * 3_600_000 };
    const { grantId, token, expiresAtMs } = await system.peers.allow(id, options);
    return { peer_id: id, grant_id: grantId, token, expires_time: new Date(expiresAtMs).toISOString() };
  },
});
