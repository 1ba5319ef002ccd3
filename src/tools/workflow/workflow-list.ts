import { z } from "../../schema/zod-schema.ts";
import { RUN_STATES } from "../../workflow/workflow.protocol.ts";
import { READS, count, flag, limit, offset } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { LOCAL_PEER, answer, ofWorkflow, runAnswer, runShape, runTags } from "./shapes.ts";

export const workflowList = defineTool({
  name: "workflow_list",
  title: "List workflows",
  description:
    "Lists workflows in the order of their submission, page by page. Every filter that is given must hold; of tags, " +
    "every one. workflow_status tells more of one.",
  input: z.strictObject({
    status_filter: z.enum(RUN_STATES).nullish(),
    peer_filter: z.string().nullish().describe(`Peer that has it; here they are all "${LOCAL_PEER}"`),
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
    const isElsewhere = typeof peer === "string" && peer !== LOCAL_PEER;
    const { runs, total } = isElsewhere
      ? { runs: [], total: 0 }
      : await system.list({
          offset: from,
          limit: most,
          ...(state && { states: [state] }),
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
