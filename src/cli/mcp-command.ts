import { homedir } from "node:os";
import { join } from "node:path";
import { openSystem } from "../system/index.ts";
import { textOf, textsOf, type Command } from "./arguments.ts";
import { openInterrupts } from "./interrupts.ts";
import { version } from "./version.ts";

/** A client may start the server in any directory, so the default does not depend on it. */
function defaultData(): string {
  return join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "mcplusplus");
}

export const mcpCommand: Command = {
  name: "mcp",
  operands: "",
  summary: "serve MCP over standard input and output",
  flags: {
    tasks: {
      type: "string",
      multiple: true,
      value: "<module>",
      help: "module of handlers; may be given several times",
    },
    data: { type: "string", value: "<dir>", help: "data directory (default ~/.local/share/mcplusplus)" },
  },
  examples: ["mcplusplus mcp --tasks ./my.tasks.ts"],
  async run(_operands, values) {
    const { openStdioServer } = await import("../mcp/index.ts");
    const system = openSystem({
      data: textOf(values, "data") ?? defaultData(),
      tasks: textsOf(values, "tasks"),
    });
    const server = openStdioServer(system, version());
    const interrupts = openInterrupts(() => undefined);
    const interrupted = new Promise<void>((resolve) =>
      interrupts.signal.addEventListener("abort", () => resolve()),
    );
    try {
      // Whatever ends it: the client, a signal, or a system that cannot be kept up.
      await Promise.race([server.closed, interrupted, system.then((opened) => opened.failed)]);
    } finally {
      await server.close();
      await (await system).close();
      interrupts.close();
    }
    return 0;
  },
};
