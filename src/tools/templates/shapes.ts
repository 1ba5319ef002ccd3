import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import type { ToolMetadata } from "../tool.ts";

export const TEMPLATES: Partial<ToolMetadata> = {
  category: "templates",
  runtime: "general",
  timeoutMs: 20_000,
};

export const templateId = z
  .string()
  .min(1)
  .max(LIMITS.workflow.templateIdChars)
  .describe("Id of the template, as template_list has it");
export const version = z
  .string()
  .min(1)
  .max(LIMITS.workflow.templateIdChars)
  .default("latest")
  .describe("A version, a range such as ^1.2, or latest");
