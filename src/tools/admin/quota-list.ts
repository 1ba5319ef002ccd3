import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { READS, count } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN, quotaShape, quotaUseAnswer } from "./quota-shapes.ts";

export const quotaList = defineTool({
  name: "quota_list",
  title: "List quotas",
  description: "Lists every quota with its bounds (null: none) and how many tasks run and wait under it now.",
  input: z.strictObject({}),
  output: z.looseObject({ ...answer, quotas: z.array(quotaShape).optional(), total_count: count }),
  hints: READS,
  metadata: ADMIN,
  echo: [],
  async run(_args, { system }) {
    const quotas = await system.tasks.quotas.list();
    return { quotas: quotas.map(quotaUseAnswer), total_count: quotas.length };
  },
});
