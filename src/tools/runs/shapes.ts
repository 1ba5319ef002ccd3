import { z } from "../../schema/zod-schema.ts";
import type { ToolMetadata } from "../tool.ts";
import { answer, runShape } from "../workflow/shapes.ts";

export const RUNS: Partial<ToolMetadata> = { category: "runs", runtime: "p2p", timeoutMs: 30_000 };

/** A run as it stands after a change. */
export const changedRun = z.looseObject({ ...answer, ...runShape.partial().shape });
