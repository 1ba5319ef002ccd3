import { LIMITS, fault } from "../errors/index.ts";
import { readJson } from "./json-source.ts";
import { checkSize, offsetOf, placeText, type SourceProblem } from "./source-node.ts";
import { readYaml } from "./yaml-source.ts";

/** Something wrong with a value, and the way to it from the root. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** A file of templates whose values know where they stand. */
export interface TemplateSource {
  readonly name: string;
  readonly value: unknown;
  /** A sentence for each problem with its place in the file, in the order of the file. */
  sentencesOf(problems: readonly Problem[]): readonly string[];
}

const YAML_NAME = /\.ya?ml$/i;

/**
 * Reads a file: YAML by its name (`.yaml`, `.yml`), else JSON.
 *
 * @throws TEMPLATE_INVALID with all that is no JSON or YAML, keys that are there twice included
 */
export function readSource(text: string, name: string): TemplateSource {
  checkSize(text, name);
  const { root, problems } = YAML_NAME.test(name) ? readYaml(text) : readJson(text);
  const placed = (found: readonly SourceProblem[]): readonly string[] =>
    found.toSorted((a, b) => a.at - b.at).map((each) => `${placeText(name, text, each.at)}: ${each.text}`);
  if (problems.length > 0) throw invalid(name, placed(problems.slice(0, LIMITS.workflow.problems)));
  return {
    name,
    value: root.value,
    sentencesOf: (found) =>
      placed(cutProblems(found).map((each) => ({ at: offsetOf(root, each.path), ...each }))),
  };
}

/** A value that was never a text: its problems are told by the way to them alone. */
export const valueSource = (value: unknown, name: string): TemplateSource => ({
  name,
  value,
  sentencesOf: (found) => cutProblems(found).map(({ text }) => text),
});

/** Where the templates come from that were read from a file, for problems that show only later. */
const origins = new WeakMap<object, { readonly source: TemplateSource; readonly path: readonly string[] }>();

export function noteOrigin(template: object, source: TemplateSource, path: readonly string[]): void {
  origins.set(template, { source, path });
}

/** What is wrong with a template, with places where it was read from a file. */
export function sentencesOf(template: object, problems: readonly Problem[]): readonly string[] {
  const { source, path = [] } = origins.get(template) ?? {};
  const below = problems.map((each) => ({ path: [...path, ...each.path], text: each.text }));
  return (source ?? valueSource(template, "")).sentencesOf(below);
}

export const invalid = (template: string, problems: readonly string[]): Error =>
  fault("TEMPLATE_INVALID", { template, problems });

function cutProblems(problems: readonly Problem[]): readonly Problem[] {
  const { problems: shown } = LIMITS.workflow;
  if (problems.length <= shown) return problems;
  return [...problems.slice(0, shown), { path: [], text: `and ${problems.length - shown} more problems` }];
}
