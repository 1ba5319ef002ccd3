import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import type { ToolMetadata } from "../tool.ts";

const { keyChars, tags, tagChars, patternChars } = LIMITS.cache;

export const CACHE: Partial<ToolMetadata> = { category: "cache", runtime: "p2p", timeoutMs: 20_000 };

export const key = z.string().min(1).max(keyChars);
export const cacheTags = z.array(z.string().min(1).max(tagChars)).min(1).max(tags);
export const pattern = z.string().min(1).max(patternChars);
