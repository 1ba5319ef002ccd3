import { fault } from "../errors/index.ts";
import type { Tool } from "../tools/index.ts";
import { textOf, textsOf, type Command, type Values } from "./arguments.ts";
import { oneLine } from "./failure.ts";
import { settings } from "./setting-flags.ts";
import { counted, tableLines } from "./table.ts";

const listOf = (values: Values, name: string): string[] | undefined => textOf(values, name)?.split(",");

/** Those that were asked for; the modules that were named are loaded. @throws UNKNOWN_NAME, INVALID_ARGUMENT, MODULE_INVALID */
export async function toolsOf(values: Values): Promise<readonly Tool[]> {
  const { loadTools, selectTools } = await import("../tools/index.ts");
  return selectTools({
    toolsets: listOf(values, "toolsets"),
    tools: listOf(values, "only"),
    readOnly: values["read-only"] === true,
    own: await loadTools(textsOf(values, "tools")),
  });
}

export const toolsCommand: Command = {
  name: "tools",
  operands: "[<tool>]",
  summary: "list the tools that a server offers, or show one with its arguments",
  flags: {
    ...settings("toolsets", "only", "read-only", "tools"),
    json: { type: "boolean", help: "one line of JSON with the schemas, and nothing else" },
  },
  examples: [
    "mcplusplus tools",
    "mcplusplus tools task_submit",
    "mcplusplus tools --toolsets runs,cache --json",
    "mcplusplus tools --tools ./my.tools.ts --read-only",
  ],
  async run([name], values) {
    const { inputSchemaOf } = await import("../tools/index.ts");
    const offered = await toolsOf(values);
    const tool = offered.find((each) => each.name === name);
    if (name !== undefined && tool === undefined)
      throw fault("UNKNOWN_NAME", { kind: "tool", name, known: offered.map((each) => each.name) });
    const shown = tool === undefined ? offered : [tool];
    if (values["json"] === true) {
      const tools = shown.map((each) => ({ ...described(each), input_schema: inputSchemaOf(each) }));
      process.stdout.write(`${JSON.stringify({ success: true, tools })}\n`);
      return 0;
    }
    const lines = tool === undefined ? tableOf(offered) : factsOf(tool, inputSchemaOf(tool));
    for (const line of lines) process.stdout.write(`${oneLine(line)}\n`);
    return 0;
  },
};

const described = ({ name, title, description, hints, metadata }: Tool): Record<string, unknown> => ({
  name,
  title,
  description,
  annotations: hints,
  category: metadata.category,
  runtime: metadata.runtime,
  timeout_seconds: metadata.timeoutMs / 1_000,
});

const effectOf = ({ hints }: Tool): string =>
  hints.readOnlyHint ? "reads" : hints.destructiveHint ? "destroys" : "changes";

function tableOf(tools: readonly Tool[]): string[] {
  const rows = tools.map((tool) => [tool.name, effectOf(tool), tool.metadata.category, tool.title]);
  return [...tableLines(["TOOL", "EFFECT", "CATEGORY", "TITLE"], rows), "", counted(tools.length, "tool")];
}

interface Property {
  readonly type?: unknown;
  readonly description?: string;
  readonly default?: unknown;
}

function factsOf(tool: Tool, schema: Record<string, unknown>): string[] {
  const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Property>);
  const required = new Set(schema["required"] as string[] | undefined);
  const rows = properties.map(([name, property]) => [
    name,
    property.type ?? "",
    required.has(name) ? "needed" : property.default === undefined ? "" : JSON.stringify(property.default),
    property.description ?? "",
  ]);
  return [
    `${tool.name}: ${tool.title}`,
    "",
    tool.description,
    "",
    ...tableLines(["ARGUMENT", "TYPE", "DEFAULT", "MEANING"], rows),
  ];
}
