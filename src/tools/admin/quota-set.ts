import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { CHANGES } from "../taskqueue/shapes.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN, quotaAnswer, quotaName, quotaShape } from "./quota-shapes.ts";

export const quotaSet = defineTool({
  name: "quota_set",
  title: "Set a quota",
  description:
    "Bounds all tasks of one type, or all that have one tag: how many run at once, how many start per second, how many " +
    "may be queued; or weighs a tag's share of the workers. Replaces the quota that was there; a bound that is left " +
    "out does not hold any more.",
  input: z
    .strictObject({
      ...quotaName,
      concurrency: z.int().min(0).optional().describe("Attempts that run at once; 0 holds them all"),
      per_second: z.number().positive().optional().describe("Starts per second"),
      burst: z.int().min(1).optional().describe("Starts at once after a pause; default: one second's worth"),
      queued: z.int().min(0).optional().describe("Queued tasks; a submit beyond it is refused"),
      weight: z.number().positive().optional().describe("Of a tag: its share of the starts, others having 1"),
    })
    .refine(
      ({ concurrency, per_second, queued, weight }) =>
        [concurrency, per_second, queued, weight].some((bound) => bound !== undefined),
      "at least one of concurrency, per_second, queued and weight is needed; quota_remove removes a quota",
    ),
  output: z.looseObject({ ...answer, ...quotaShape.partial().shape }),
  hints: CHANGES,
  metadata: ADMIN,
  echo: ["scope", "name"],
  async run({ scope, name, concurrency, per_second, burst, queued, weight }, { system }) {
    const quota = {
      scope,
      name,
      ...(concurrency !== undefined && { concurrency }),
      ...(per_second !== undefined && { perSecond: per_second }),
      ...(burst !== undefined && { burst }),
      ...(queued !== undefined && { queued }),
      ...(weight !== undefined && { weight }),
    };
    await system.tasks.quotas.set(quota);
    return quotaAnswer(quota);
  },
});
