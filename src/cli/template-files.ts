import { fault, isFault } from "../errors/index.ts";
import { TemplateRegistry, parseTemplates, type Template } from "../workflow/template.ts";
import { readText } from "./text-file.ts";

/** The templates of one file. */
export interface TemplateFile {
  readonly path: string;
  readonly templates: readonly Template[];
}

/** Files of templates that may include one another. */
export interface LoadedTemplates {
  readonly files: readonly TemplateFile[];
  readonly registry: TemplateRegistry;
}

/**
 * @throws FILE_UNREADABLE
 * @throws TEMPLATE_INVALID listing the problems of all files
 * @throws ALREADY_EXISTS when two files have a template of the same id and version
 */
export async function loadTemplates(paths: readonly string[]): Promise<LoadedTemplates> {
  const files: TemplateFile[] = [];
  const problems: string[] = [];
  const broken: string[] = [];
  for (const path of paths) {
    try {
      files.push({ path, templates: parseTemplates(await readText(path), path) });
    } catch (error) {
      if (!isFault(error, "TEMPLATE_INVALID")) throw error;
      broken.push(path);
      problems.push(...error.details.problems);
    }
  }
  if (problems.length > 0) throw fault("TEMPLATE_INVALID", { template: broken.join(", "), problems });
  const registry = new TemplateRegistry();
  registry.register(files.flatMap(({ templates }) => templates));
  return { files, registry };
}

/** What a file means to run: its template with all that it includes. @param more files of what it includes */
export async function loadTemplate(path: string, more: readonly string[]): Promise<Template> {
  const { files, registry } = await loadTemplates([path, ...more]);
  const [template, second] = files[0]?.templates ?? [];
  if (!template || second) {
    const got = `with ${files[0]?.templates.length ?? 0} templates`;
    throw fault("INVALID_ARGUMENT", { argument: path, got, allowed: "a file of one template" });
  }
  return registry.compose(template.templateId, template.version);
}
