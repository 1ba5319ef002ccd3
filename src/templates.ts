/**
 * The second door of the package, `mcplusplus/templates`: workflows with blanks. It is apart from the first, because it
 * loads what reads and checks files, which a program that only opens a system does without.
 */
export {
  TemplateRegistry,
  instantiate,
  parseTemplate,
  parseTemplates,
  templateFrom,
} from "./workflow/template.ts";
export type { Template, TemplateEntry, TemplateParameter } from "./workflow/template.ts";
