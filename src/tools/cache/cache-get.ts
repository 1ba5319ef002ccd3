import { z } from "../../schema/zod-schema.ts";
import { READS, flag, text, textOrNull } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { CACHE, key } from "./shapes.ts";

export const cacheGet = defineTool({
  name: "cache_get",
  title: "Look up a result in the cache",
  description:
    "Gives the value under a key, with when it was stored and when its time is over. found is false when there is none; " +
    "a stored null is a value. A large value is shown as a reference with its size.",
  input: z.strictObject({ key: key.describe("The whole key") }),
  output: z.looseObject({
    ...answer,
    key: text,
    found: flag,
    value: z.unknown().optional(),
    stored_time: textOrNull,
    expires_time: textOrNull,
  }),
  hints: READS,
  metadata: CACHE,
  echo: ["key"],
  async run({ key: wanted }, { system }) {
    const found = await system.cache.get(wanted);
    return {
      key: wanted,
      found: found !== undefined,
      value: found?.value ?? null,
      stored_time: isoTime(found?.storedAtMs ?? null),
      expires_time: isoTime(found?.expiresAtMs ?? null),
    };
  },
});
