import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { RUN_STATES } from "../../workflow/workflow.protocol.ts";
import { READS, count, flag, limit, offset } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, ofWorkflow, runAnswer, runShape, runTags } from "./shapes.ts";

export const workflowList = defineTool({
  name: "workflow_list",
  title: "List workflows",
  description:
    "Lists workflows in the order of their submission, page by page. Every filter that is given must hold; of tags, " +
    "every one. workflow_status tells more of one.",
  input: z.strictObject({
    status_filter: z.enum(RUN_STATES).nullish(),
    peer_filter: z
      .string()
      .min(1)
      .max(LIMITS.queue.nameChars)
      .nullish()
      .describe("Peer that has run some of it; local: this machine has, or nobody yet"),
    tag_filter: runTags.nullish().describe("Tags that it must all have"),
    limit: limit.default(50),
    offset,
  }),
  output: z.looseObject({
    ...answer,
    workflows: z.array(runShape).optional(),
    total_count: count,
    returned_count: count,
    has_more: flag,
  }),
  hints: READS,
  metadata: ofWorkflow(7, 30),
  echo: [],
  async run(
    { status_filter: state, peer_filter: peer, tag_filter: tags, limit: most, offset: from },
    { system },
  ) {
    const { runs, total } = await system.list({
      offset: from,
      limit: most,
      ...(state && { states: [state] }),
      ...(peer && { peer }),
      ...(tags && { tags }),
    });
    return {
      workflows: runs.map(runAnswer),
      total_count: total,
      returned_count: runs.length,
      has_more: from + runs.length < total,
    };
  },
});
