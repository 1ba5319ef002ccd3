import { homedir } from "node:os";
import { join } from "node:path";
import { fault } from "../errors/index.ts";
import { openSystem, type SystemOptions } from "../system/index.ts";
import {
  ALLOW_HOST_FLAG,
  TASKS_FLAG,
  textOf,
  textsOf,
  threadsOf,
  type Command,
  type Values,
} from "./arguments.ts";
import { openInterrupts } from "./interrupts.ts";
import { version } from "./version.ts";

/** A client may start the server in any directory, so the default does not depend on it. */
function defaultData(): string {
  return join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "mcplusplus");
}

function optionsOf(values: Values): SystemOptions {
  const data = textOf(values, "data") ?? defaultData();
  const threads = threadsOf(values);
  const roots = textsOf(values, "root");
  return {
    data,
    tasks: textsOf(values, "tasks"),
    graceMs: GRACE_MS,
    roots: [...(roots.length > 0 ? roots : [process.cwd()]), data],
    allowedHosts: textsOf(values, "allow-host"),
    ...(threads === undefined ? {} : { threads }),
  };
}

/** Handlers get less than elsewhere: a client that has gone does not expect its server to stay. */
const GRACE_MS = 2_000;
/** The longest that closing may take. */
const LEAVE_MS = 15_000;

export const mcpCommand: Command = {
  name: "mcp",
  operands: "",
  summary: "serve MCP over standard input and output",
  flags: {
    tasks: TASKS_FLAG,
    data: { type: "string", value: "<dir>", help: "data directory (default ~/.local/share/mcplusplus)" },
    root: {
      type: "string",
      multiple: true,
      value: "<dir>",
      help: "directory that handlers may use, besides --data (default: the working one)",
    },
    "allow-host": ALLOW_HOST_FLAG,
    threads: { type: "string", value: "<n>", help: "handlers that run at once (default: one per core)" },
    toolsets: {
      type: "string",
      value: "<names>",
      help: "tools offered, of workflow, taskqueue, deadletters, runs, templates, cache, admin (default workflow,taskqueue)",
    },
    templates: {
      type: "string",
      multiple: true,
      value: "<file>",
      help: "file of templates for the toolset templates; may be given several times",
    },
  },
  examples: [
    "mcplusplus mcp --tasks ./my.tasks.ts --root ~/flights",
    "mcplusplus mcp --toolsets workflow,taskqueue,runs,cache",
    "mcplusplus mcp --toolsets workflow,templates --templates reports.yaml",
  ],
  async run(_, values) {
    const { openStdioServer } = await import("../mcp/index.ts");
    const { toolsOf } = await import("../tools/index.ts");
    const { loadTemplates } = await import("./template-files.ts");
    const toolsets = textOf(values, "toolsets")?.split(",");
    const tools = toolsOf(toolsets);
    const files = textsOf(values, "templates");
    if (files.length > 0 && toolsets?.includes("templates") !== true) {
      const allowed = "that beside --toolsets with templates";
      throw fault("INVALID_ARGUMENT", { argument: "--templates", got: "given without its tools", allowed });
    }
    const options = optionsOf(values);
    const { registry } = await loadTemplates(files);
    const server = openStdioServer(() => openSystem(options), version(), tools, registry);
    const interrupts = openInterrupts(() => undefined);
    const interrupted = new Promise<void>((resolve) =>
      interrupts.signal.addEventListener("abort", () => resolve()),
    );
    // Whatever ends it: the client, or a signal.
    await Promise.race([server.closed, interrupted]);
    // A handler that does not stop, or a disk that hangs, must not leave a server without a client behind.
    setTimeout(() => process.exit(0), LEAVE_MS).unref();
    await server.close();
    interrupts.close();
    return 0;
  },
};
