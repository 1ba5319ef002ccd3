import { LIMITS } from "../../errors/index.ts";
import type { Quota, QuotaStatus } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import type { ToolMetadata } from "../tool.ts";

export const ADMIN: Partial<ToolMetadata> = { category: "admin", runtime: "p2p", timeoutMs: 10_000 };

export const quotaName = {
  scope: z.enum(["action", "tag"]).describe("All tasks of one task type, or all that have one tag"),
  name: z.string().min(1).max(LIMITS.queue.nameChars).describe("The task type or the tag"),
};

export const quotaShape = z.looseObject({
  scope: z.string(),
  name: z.string(),
  concurrency: z.number().nullable(),
  per_second: z.number().nullable(),
  burst: z.number().nullable(),
  queued: z.number().nullable(),
  weight: z.number().nullable(),
});

/** Null is no bound. */
export function quotaAnswer({ scope, name, ...bounds }: Quota): z.output<typeof quotaShape> {
  const { concurrency = null, perSecond = null, burst = null, queued = null, weight = null } = bounds;
  return { scope, name, concurrency, per_second: perSecond, burst, queued, weight };
}

export const quotaUseAnswer = ({ running, waiting, ...quota }: QuotaStatus): z.output<typeof quotaShape> => ({
  ...quotaAnswer(quota),
  running_tasks: running,
  waiting_tasks: waiting,
});
