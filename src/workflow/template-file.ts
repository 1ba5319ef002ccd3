import { findNonWire } from "../schema/index.ts";
import { checkPlaces } from "../schema/zod-schema.ts";
import { ownProblems, templateProblems } from "./template-plan.ts";
import { collectionShape, templateOf, templateShape, type Template } from "./template-shape.ts";
import {
  invalid,
  noteOrigin,
  readSource,
  valueSource,
  type Problem,
  type TemplateSource,
} from "./template-source.ts";

/**
 * Reads a template file (JSON, or YAML where the name ends in `.yaml` or `.yml`) and checks everything that can be
 * known before the parameters are, and before the templates that it includes.
 *
 * @param source what the file is called in messages: its path
 * @throws TEMPLATE_INVALID listing all problems, each with file, line and column
 */
export function parseTemplate(text: string, source: string): Template {
  return oneOf(readSource(text, source));
}

/** The same of a value in the shape of a file. @param name what it is called in messages */
export function templateFrom(value: unknown, name: string): Template {
  const found = findNonWire(value);
  if (found !== undefined) throw invalid(name, [`it holds ${found}`]);
  return oneOf(valueSource(value, name));
}

/** Reads a file that holds one template, or a collection `{ templates: { id: { version: template } } }`. */
export function parseTemplates(text: string, source: string): readonly Template[] {
  const read = readSource(text, source);
  const { value } = read;
  const isCollection = typeof value === "object" && value !== null && Object.hasOwn(value, "templates");
  return isCollection ? allOf(read) : [oneOf(read)];
}

function oneOf(source: TemplateSource): Template {
  const problems: Problem[] = [];
  const template = templateIn(source, source.value, [], problems);
  if (!template || problems.length > 0) throw invalid(source.name, source.sentencesOf(problems));
  return template;
}

function allOf(source: TemplateSource): readonly Template[] {
  const checked = checkPlaces(collectionShape, source.value);
  if (checked.problems) throw invalid(source.name, source.sentencesOf(checked.problems));
  const problems: Problem[] = [];
  const templates: Template[] = [];
  for (const [id, versions] of Object.entries(checked.value.templates)) {
    for (const [version, value] of Object.entries(versions)) {
      const path = ["templates", id, version];
      const template = templateIn(source, value, path, problems);
      if (!template) continue;
      templates.push(template);
      const { templateId } = template;
      if (templateId !== id)
        problems.push({
          path: [...path, "template_id"],
          text: `template_id is "${templateId}" under "${id}"`,
        });
      if (template.version !== version)
        problems.push({
          path: [...path, "version"],
          text: `version is "${template.version}" under "${version}"`,
        });
    }
  }
  if (problems.length > 0) throw invalid(source.name, source.sentencesOf(problems));
  return templates;
}

/** Undefined when it has no shape at all; what is wrong is told to `problems`. */
function templateIn(
  source: TemplateSource,
  value: unknown,
  path: readonly string[],
  problems: Problem[],
): Template | undefined {
  const place = (found: readonly Problem[]): void =>
    void problems.push(...found.map((each) => ({ path: [...path, ...each.path], text: each.text })));
  const checked = checkPlaces(templateShape, value);
  if (checked.problems) {
    place(checked.problems);
    return undefined;
  }
  const template = templateOf(checked.value);
  noteOrigin(template, source, path);
  place(template.includes.length === 0 ? templateProblems(template) : ownProblems(template));
  return template;
}
