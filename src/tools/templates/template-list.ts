import { z } from "../../schema/zod-schema.ts";
import { READS, count, flag, limit, offset } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { TEMPLATES } from "./shapes.ts";

const entryShape = z.looseObject({
  template_id: z.string(),
  name: z.string(),
  version: z.string(),
  description: z.string(),
  parameter_count: z.int(),
  step_count: z.int(),
  includes: z.array(z.string()),
});

export const templateList = defineTool({
  name: "template_list",
  title: "List templates",
  description:
    "Lists the templates of workflows that the server was started with, by id, the latest version first, page by page. " +
    "template_show tells the parameters of one, template_run runs one.",
  input: z.strictObject({ limit, offset }),
  output: z.looseObject({
    ...answer,
    templates: z.array(entryShape).optional(),
    total_count: count,
    returned_count: count,
    has_more: flag,
  }),
  hints: READS,
  metadata: TEMPLATES,
  echo: [],
  async run({ limit: most, offset: from }, { templates }) {
    const all = templates.list();
    const page = all.slice(from, from + most);
    return {
      templates: page.map((each) => ({
        template_id: each.templateId,
        name: each.name,
        version: each.version,
        description: each.description,
        parameter_count: each.parameterCount,
        step_count: each.stepCount,
        includes: each.includes,
      })),
      total_count: all.length,
      returned_count: page.length,
      has_more: from + page.length < all.length,
    };
  },
});
