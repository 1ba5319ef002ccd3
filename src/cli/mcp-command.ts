import type { Offer } from "../mcp/index.ts";
import type { SystemOptions } from "../system/index.ts";
import type { Command } from "./arguments.ts";
import { openInterrupts } from "./interrupts.ts";
import { openForPeers } from "./peer-service.ts";
import { SERVER_FLAGS, leaveInTime, offerOf, systemOptions } from "./server-options.ts";
import { version } from "./version.ts";

export const mcpCommand: Command = {
  name: "mcp",
  operands: "",
  summary: "serve MCP over standard input and output",
  flags: SERVER_FLAGS,
  examples: [
    "mcplusplus mcp --tasks ./my.tasks.ts --root ~/flights",
    "mcplusplus mcp --toolsets workflow,taskqueue,runs,cache",
    "mcplusplus mcp --toolsets workflow,templates --templates reports.yaml",
    "mcplusplus mcp --tools ./my.tools.ts --only my_search,task_status --read-only",
  ],
  async run(_, values) {
    const { claimStandardOutput, openStdioServer } = await import("../mcp/index.ts");
    // First: a module that prints while it is loaded would else write between the messages.
    const output = claimStandardOutput();
    let options: SystemOptions = {};
    let offered: Offer = { tools: [] };
    const server = openStdioServer({
      version: version(),
      output,
      async offer() {
        offered = await offerOf(values);
        options = await systemOptions(values);
        return offered;
      },
      open: () => openForPeers(options, offered),
    });
    const interrupts = openInterrupts(() => undefined);
    // Its terminal has gone, if it had one: for other commands that is as it always was.
    const hungUp = new Promise<void>((resolve) => process.once("SIGHUP", () => resolve()));
    try {
      // Whatever ends it: the client, a signal, or an offer that cannot be made.
      await Promise.race([server.closed, interrupts.interrupted, hungUp]);
    } finally {
      leaveInTime();
      await server.close();
      interrupts.close();
    }
    return 0;
  },
};
