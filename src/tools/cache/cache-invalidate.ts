import type { CacheSelection } from "../../cache/cache.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { DESTROYS, count } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { CACHE, cacheTags, key, pattern } from "./shapes.ts";

interface Selected {
  readonly key?: string | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly pattern?: string | null | undefined;
}

const selectionsOf = ({ key: one, tags, pattern: some }: Selected): CacheSelection[] => [
  ...(typeof one === "string" ? [{ key: one }] : []),
  ...(tags ? [{ tags }] : []),
  ...(typeof some === "string" ? [{ pattern: some }] : []),
];

export const cacheInvalidate = defineTool({
  name: "cache_invalidate",
  title: "Invalidate results in the cache",
  description:
    "Removes the result under a key, all that have one of the tags, or all whose whole key fits a pattern (* any run of " +
    "characters, ? any one). When it answers, no later read finds them; they are computed anew when they are needed.",
  input: z
    .strictObject({
      key: key.nullish().describe("The one under this key"),
      tags: cacheTags.nullish().describe("Those with one of these tags at least"),
      pattern: pattern.nullish().describe("Those whose whole key fits"),
    })
    .refine((args) => selectionsOf(args).length === 1, "exactly one of key, tags and pattern is needed"),
  output: z.looseObject({ ...answer, removed_count: count }),
  hints: DESTROYS,
  metadata: CACHE,
  echo: ["key", "pattern"],
  async run(args, { system }) {
    const [selection = { tags: [] }] = selectionsOf(args);
    return { removed_count: await system.cache.invalidate(selection) };
  },
});
