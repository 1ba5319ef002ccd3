import { z } from "../../schema/zod-schema.ts";
import { ALERT_RULES } from "../../system/index.ts";
import { defineTool } from "../tool.ts";
import { READS, count } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN } from "./quota-shapes.ts";

export const alertList = defineTool({
  name: "alert_list",
  title: "List alerts",
  description:
    "Says what is worth a word now: busy processors, full memory or disk, tools that fail or take long, a cache that " +
    "rarely helps, tasks and workflows that fail, a long queue. Each with its value and the threshold it is beyond.",
  input: z.strictObject({
    thresholds: z
      .record(z.string(), z.number().min(0))
      .default({})
      .describe(`Other thresholds by name: ${Object.keys(ALERT_RULES).join(", ")}`),
  }),
  output: z.looseObject({
    ...answer,
    alerts: z
      .array(
        z.looseObject({
          name: z.string(),
          severity: z.string(),
          component: z.string(),
          value: z.number(),
          threshold: z.number(),
          unit: z.string(),
          message: z.string(),
        }),
      )
      .optional(),
    total_count: count,
  }),
  hints: READS,
  metadata: ADMIN,
  echo: [],
  async run({ thresholds }, { system }) {
    const alerts = await system.alerts(thresholds);
    return { alerts: alerts.map((alert) => ({ ...alert })), total_count: alerts.length };
  },
});
