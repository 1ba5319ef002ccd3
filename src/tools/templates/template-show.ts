import { z } from "../../schema/zod-schema.ts";
import type { TemplateParameter } from "../../workflow/template.ts";
import { READS, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { TEMPLATES, templateId, version } from "./shapes.ts";

const parameterShape = z.looseObject({
  name: z.string(),
  type: z.string(),
  description: z.string(),
  required: z.boolean(),
});

export const templateShow = defineTool({
  name: "template_show",
  title: "Show a template",
  description:
    "Gives a template with all that it includes: its parameters, with type, default and whether they are required, and " +
    "its steps as they are written, with ${name} where a parameter goes.",
  input: z.strictObject({ template_id: templateId, version }),
  output: z.looseObject({
    ...answer,
    template_id: text,
    version: text,
    name: text,
    description: text,
    parameters: z.array(parameterShape).optional(),
    steps: z.array(z.looseObject({})).optional(),
    on_failure: text,
    tags: z.array(z.string()).optional(),
    metadata: z.looseObject({}).optional(),
  }),
  hints: READS,
  metadata: TEMPLATES,
  echo: ["template_id", "version"],
  async run({ template_id, version: which }, { templates }) {
    const template = templates.compose(template_id, which);
    return {
      template_id,
      version: template.version,
      name: template.name,
      description: template.description,
      parameters: template.parameters.map(parameterAnswer),
      steps: template.steps,
      on_failure: template.onFailure,
      tags: template.tags,
      metadata: template.metadata,
    };
  },
});

/** Without a default one that is required has to be given. */
const parameterAnswer = ({ name, type, description, required, ...rest }: TemplateParameter) => ({
  name,
  type,
  description,
  required,
  ...(rest.default !== undefined && { default: rest.default }),
  ...(rest.validation !== undefined && { validation: rest.validation }),
});
