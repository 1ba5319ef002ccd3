import { TASK_STATES } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import {
  READS,
  limit,
  ofQueue,
  offset,
  pageAnswer,
  pageShape,
  priority,
  tagList,
  workerId,
} from "./shapes.ts";

export const taskList = defineTool({
  name: "task_list",
  title: "List tasks",
  description:
    "Lists tasks in the order of their submission, page by page. Every filter that is given must hold; of tags, every " +
    "one. Tasks of workflow steps are listed too.",
  input: z.strictObject({
    status_filter: z.enum(TASK_STATES).nullish(),
    worker_filter: workerId.nullish(),
    tag_filter: tagList.nullish().describe("Tags that it must all have"),
    priority_min: priority.nullish(),
    limit,
    offset,
  }),
  output: z.looseObject({ ...answer, ...pageShape }),
  hints: READS,
  metadata: ofQueue("p2p_taskqueue", 7, 30),
  echo: [],
  async run(args, { system }) {
    const { status_filter: state, worker_filter: worker, tag_filter: tags, priority_min: priorityMin } = args;
    const page = await system.tasks.list({
      offset: args.offset,
      limit: args.limit,
      ...(state && { states: [state] }),
      ...(worker && { workerId: worker }),
      ...(tags && { tags }),
      ...(priorityMin !== null && priorityMin !== undefined && { priorityMin }),
    });
    return pageAnswer(page, args.offset);
  },
});
