import { LIMITS, isFault } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { parseTemplates, type Template, type TemplateRegistry } from "../../workflow/template.ts";
import { READS, flag } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { TEMPLATES } from "./shapes.ts";

export const templateCheck = defineTool({
  name: "template_check",
  title: "Check a template",
  description:
    "Checks the text of a template of a workflow, or of a collection of them, with what it includes of the templates " +
    "that the server has. Says whether it is valid, and every problem with its line and column. Nothing is kept.",
  input: z.strictObject({
    text: z.string().min(1).max(LIMITS.workflow.templateBytes).describe("What would stand in the file"),
    format: z.enum(["json", "yaml"]).default("json").describe("How it is written"),
  }),
  output: z.looseObject({
    ...answer,
    valid: flag,
    problems: z.array(z.string()).optional(),
    templates: z.array(z.looseObject({ template_id: z.string(), version: z.string() })).optional(),
  }),
  hints: READS,
  metadata: { ...TEMPLATES, cpuIntensive: true },
  echo: [],
  async run({ text, format }, { templates }) {
    const { found, problems } = checked(text, `template.${format}`, templates);
    return {
      valid: problems.length === 0,
      problems,
      templates: found.map(({ templateId, version }) => ({ template_id: templateId, version })),
    };
  },
});

/** That a text is no template is what was asked for, and no failure. */
function checked(
  text: string,
  source: string,
  templates: TemplateRegistry,
): { found: readonly Template[]; problems: readonly string[] } {
  try {
    const found = parseTemplates(text, source);
    templates.check(found, source);
    return { found, problems: [] };
  } catch (error) {
    if (!isFault(error, "TEMPLATE_INVALID")) throw error;
    return { found: [], problems: error.details.problems };
  }
}
