import { COMMON_FLAGS, type Command } from "./arguments.ts";

export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "mcplusplus: a durable task queue, a workflow engine and a result cache on your own machine.",
    "",
    "Usage: mcplusplus <command> [options]",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    `  ${"help".padEnd(width)}  show this, or with the name of a command its options and examples`,
    "",
    "mcplusplus help run shows how to run a workflow; mcplusplus --version shows the version.",
  ].join("\n");
}

export function helpOf({ name, operands, summary, flags, examples }: Command): string {
  const rows = Object.entries({ ...flags, ...COMMON_FLAGS }).map(([flag, { value, help }]) => ({
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
