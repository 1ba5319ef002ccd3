import type { Template, TemplateRegistry } from "../workflow/template.ts";
import type { Command, Values } from "./arguments.ts";
import { oneLine } from "./failure.ts";
import { counted, factLines, tableLines } from "./table.ts";
import { loadTemplates, type LoadedTemplates } from "./template-files.ts";
import type { CommandGroup } from "./tool-command.ts";

/** A verb that reads template files, and starts nothing. */
interface TemplateVerb {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** What `--json` prints. */
  answerOf(loaded: LoadedTemplates): object;
  linesOf(loaded: LoadedTemplates): readonly string[];
}

const OPERANDS = "<file> [<file> …]";

function templateCommand({ name, summary, examples, answerOf, linesOf }: TemplateVerb): Command {
  return {
    name,
    operands: OPERANDS,
    summary,
    flags: { json: { type: "boolean", help: "the answer as one line of JSON, and nothing else" } },
    examples,
    async run(paths: readonly string[], values: Values) {
      const loaded = await loadTemplates(paths);
      const lines = values["json"] === true ? [JSON.stringify(answerOf(loaded))] : linesOf(loaded);
      for (const line of lines) process.stdout.write(`${line}\n`);
      return 0;
    },
  };
}

const composed = ({ files, registry }: LoadedTemplates): Template[] =>
  files.flatMap(({ templates }) => templates.map((each) => withIncludes(registry, each)));

const withIncludes = (registry: TemplateRegistry, { templateId, version }: Template): Template =>
  registry.compose(templateId, version);

const nameOf = ({ templateId, version }: Template): string => `${templateId}@${version}`;

const checkCommand = templateCommand({
  name: "template check",
  summary: "check template files, with what they include of one another",
  examples: ["mcplusplus template check report.yaml", "mcplusplus template check templates/*.yaml"],
  answerOf: (loaded) => ({ success: true, templates: composed(loaded).map(nameOf) }),
  linesOf: ({ files, registry }) =>
    files.flatMap(({ path, templates }) =>
      templates.map((each) => {
        const { parameters, steps } = withIncludes(registry, each);
        const counts = `${counted(steps.length, "step")}, ${counted(parameters.length, "parameter")}`;
        return oneLine(`${path}: ${nameOf(each)} is sound: ${counts}`);
      }),
    ),
});

const listCommand = templateCommand({
  name: "template list",
  summary: "list the templates of files",
  examples: ["mcplusplus template list templates/*.yaml"],
  answerOf: ({ registry }) => ({
    success: true,
    templates: registry.list().map((each) => ({
      template_id: each.templateId,
      name: each.name,
      version: each.version,
      description: each.description,
      parameter_count: each.parameterCount,
      step_count: each.stepCount,
      includes: each.includes,
    })),
  }),
  linesOf: ({ registry }) =>
    tableLines(
      ["template", "version", "steps", "parameters", "name"],
      registry
        .list()
        .map((each) => [each.templateId, each.version, each.stepCount, each.parameterCount, each.name]),
    ),
});

const showCommand = templateCommand({
  name: "template show",
  summary: "show parameters and steps of templates, those of their includes too",
  examples: ["mcplusplus template show report.yaml", "mcplusplus template show --json report.yaml"],
  answerOf: (loaded) => ({
    success: true,
    templates: composed(loaded).map((each) => ({
      template_id: each.templateId,
      name: each.name,
      version: each.version,
      description: each.description,
      parameters: each.parameters,
      steps: each.steps,
    })),
  }),
  linesOf: (loaded) => composed(loaded).flatMap(shownLines),
});

function shownLines(template: Template): string[] {
  const { parameters, steps } = template;
  const parameterRows = parameters.map((each) => [
    each.name,
    each.type,
    each.required && each.default === undefined ? "has to be given" : (each.default ?? null),
    each.description,
  ]);
  const stepRows = steps.map(({ step_id, action, depends_on }) => [
    step_id,
    action,
    Array.isArray(depends_on) ? depends_on.join(" ") : depends_on,
  ]);
  return [
    ...factLines([
      ["template", nameOf(template)],
      ["name", template.name],
      ["description", template.description],
    ]),
    "",
    ...(parameters.length === 0
      ? []
      : [...tableLines(["parameter", "type", "default", "description"], parameterRows), ""]),
    ...tableLines(["step", "action", "depends on"], stepRows),
    "",
  ];
}

export const templateGroup: CommandGroup = {
  name: "template",
  summary: "check and show template files",
  commands: [checkCommand, listCommand, showCommand],
};
