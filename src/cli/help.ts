import { flagsOf, type Command } from "./arguments.ts";
import type { CommandGroup, Vocabulary } from "./tool-command.ts";

export function overview({ commands, groups, short }: Vocabulary): string {
  const width = Math.max(...[...commands, ...groups].map(({ name }) => name.length));
  return [
    "mcplusplus: a durable task queue, a workflow engine and a result cache on your own machine.",
    "",
    "Usage: mcplusplus <command> [options]",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    ...groups.map((group) => `  ${group.name.padEnd(width)}  ${group.summary}: ${verbsOf(group).join(", ")}`),
    "",
    "For short:",
    ...Object.entries(short).map(([verb, full]) => `  ${verb.padEnd(width)}  ${full}`),
    "",
    `  ${"help".padEnd(width)}  show this, or with the name of a command its options and examples`,
    "",
    "mcplusplus help run shows how to run a workflow; mcplusplus --version shows the version.",
  ].join("\n");
}

const verbsOf = ({ name, commands }: CommandGroup): string[] =>
  commands.map((each) => each.name.slice(name.length + 1));

export function groupHelp({ name, summary, commands }: CommandGroup): string {
  const rows = commands.map((each) => ({
    left: `${each.name} ${each.operands}`.trimEnd(),
    help: each.summary,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return [
    `mcplusplus ${name}: ${summary}`,
    "",
    "Commands:",
    ...rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`),
    "",
    `mcplusplus help ${name} <command> shows the options and examples of one.`,
  ].join("\n");
}

export function helpOf(command: Command): string {
  const { name, operands, summary, examples } = command;
  const rows = Object.entries(flagsOf(command)).map(([flag, { value, help }]) => ({
    left: `--${flag}${value ? ` ${value}` : ""}`,
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return [
    `mcplusplus ${name}: ${summary}`,
    "",
    `Usage: mcplusplus ${[name, operands, "[options]"].filter(Boolean).join(" ")}`,
    "",
    "Options:",
    ...rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`),
    "",
    examples.length === 1 ? "Example:" : "Examples:",
    ...examples.map((example) => `  ${example}`),
  ].join("\n");
}
