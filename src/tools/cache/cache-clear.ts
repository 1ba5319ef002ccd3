import { fault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { DESTROYS, confirm, count } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { CACHE } from "./shapes.ts";

export const cacheClear = defineTool({
  name: "cache_clear",
  title: "Clear the cache",
  description:
    "Removes every result from the cache, so that each is computed anew when it is needed. Needs confirm: true.",
  input: z.strictObject({ confirm }),
  output: z.looseObject({ ...answer, removed_count: count }),
  hints: DESTROYS,
  metadata: CACHE,
  echo: [],
  refuse({ confirm: confirmed }, { confirmation }) {
    if (!confirmed) throw fault("CONFIRMATION_REQUIRED", { what: "clearing the cache", how: confirmation });
  },
  async preview(_args, { system }) {
    return `${(await system.cache.stats()).entries} results would be removed.`;
  },
  async run(_args, { system }) {
    return { removed_count: await system.cache.clear() };
  },
});
