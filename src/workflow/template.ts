/**
 * The second door of this room, for whoever reads workflows from outside: template files and the arguments of tools.
 * It is apart from `index.ts`, because it loads zod, which the scheduler's thread does without.
 */
export { definitionFromTool, toolWorkflowShape } from "./step-shape.ts";
export { parseTemplate, parseTemplates, templateFrom } from "./template-file.ts";
export { instantiate } from "./template-plan.ts";
export { TemplateRegistry, type TemplateEntry } from "./template-registry.ts";
export { templateSchema, type Template, type TemplateParameter } from "./template-shape.ts";
