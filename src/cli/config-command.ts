import type { Command } from "./arguments.ts";
import { ownConfigPath } from "./config-file.ts";
import { SETTING_FLAGS } from "./setting-flags.ts";
import { tableLines } from "./table.ts";

export const configCommand: Command = {
  name: "config",
  operands: "",
  summary: "show every setting, its value, and where that comes from",
  flags: {
    ...SETTING_FLAGS,
    json: { type: "boolean", help: "one line of JSON, and nothing else" },
  },
  examples: ["mcplusplus config", "mcplusplus config --config ./server.json --json"],
  async run(_, values, sources) {
    const rows = Object.keys(SETTING_FLAGS).map((name) => ({
      setting: name,
      value: values[name] ?? null,
      source: sources.get(name) ?? "default",
    }));
    const file = sources.get("config") ?? null;
    if (values["json"] === true) {
      process.stdout.write(`${JSON.stringify({ success: true, settings: rows, file })}\n`);
      return 0;
    }
    const lines = tableLines(
      ["setting", "value", "from"],
      rows.map(({ setting, value, source }) => [
        setting,
        Array.isArray(value) ? value.join(", ") : value,
        source,
      ]),
    );
    const note = file ?? `none (looked for ${ownConfigPath(process.env)})`;
    process.stdout.write(`${[...lines, "", `file: ${note}`].join("\n")}\n`);
    return 0;
  },
};
