import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import type { DeadLetterChoice } from "../../system/index.ts";
import type { ToolMetadata } from "../tool.ts";
import { actionName, tagList, taskId } from "../taskqueue/shapes.ts";

/** Which dead letters a tool is about. */
export const filters = {
  type_filter: actionName.nullish().describe("Only tasks of this type"),
  tag_filter: tagList.nullish().describe("Tags that it must all have"),
};

export const choice = {
  task_ids: z
    .array(taskId)
    .min(1)
    .max(LIMITS.lists.pageItems)
    .nullish()
    .describe("These; default: all for which the filters hold"),
  ...filters,
};

interface Filters {
  readonly type_filter?: string | null | undefined;
  readonly tag_filter?: readonly string[] | null | undefined;
}

export const filterOf = ({ type_filter: action, tag_filter: tags }: Filters) => ({
  ...(action && { action }),
  ...(tags && { tags }),
});

export const chosen = (
  args: Filters & { readonly task_ids?: readonly string[] | null | undefined },
): DeadLetterChoice => (args.task_ids ? { taskIds: args.task_ids } : filterOf(args));

/** With ids, filters would be left out of account without a word. */
export const choiceIsClear = (
  args: Filters & { readonly task_ids?: readonly string[] | null | undefined },
): boolean => !args.task_ids || (!args.type_filter && !args.tag_filter);
export const CHOICE_RULE = "task_ids and filters exclude each other";

export const DEAD_LETTERS: Partial<ToolMetadata> = {
  category: "deadletters",
  runtime: "p2p",
  timeoutMs: 20_000,
};
