import { z } from "../../schema/zod-schema.ts";
import { snakeCase } from "../snake-case.ts";
import { READS, count, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { CACHE } from "./shapes.ts";

export const cacheStats = defineTool({
  name: "cache_stats",
  title: "Figures of the cache",
  description:
    "Tells how many results the cache holds, in how many bytes, and since it was opened: hits, misses, hit_rate (0 to 1), " +
    "and how many results left for which reason (evictions, expired, replaced, invalidated, broken).",
  input: z.strictObject({}),
  output: z.looseObject({
    ...answer,
    entries: count,
    size_bytes: count,
    hits: count,
    misses: count,
    hit_rate: z.number().min(0).max(1).optional(),
    evictions: count,
    policy: text,
    durability: text,
  }),
  hints: READS,
  metadata: CACHE,
  echo: [],
  async run(_args, { system }) {
    const stats = await system.cache.stats();
    return Object.fromEntries(
      Object.entries(stats).map(([name, value]) => [snakeCase(name), value as unknown]),
    );
  },
});
