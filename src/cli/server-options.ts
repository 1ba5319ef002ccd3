import { resolve } from "node:path";
import { fault } from "../errors/index.ts";
import type { Offer } from "../mcp/index.ts";
import type { SystemOptions } from "../system/index.ts";
import { textOf, textsOf, type Flags, type Values } from "./arguments.ts";
import { toolsOf } from "./tools-command.ts";
import { NETWORK_FLAGS, networkOf } from "./network-flags.ts";
import { serverData, setting, settings, threadsOf } from "./setting-flags.ts";

/** What a server carries out, and what it offers, whatever it is reached by. */
export const SERVER_FLAGS: Flags = {
  ...settings("tasks", "allow-host", "threads", "toolsets", "only", "read-only", "tools", "templates"),
  data: setting("data", "data directory (default ~/.local/share/mcplusplus)"),
  root: setting("root", "directory that handlers may use, besides --data (default: the working one)"),
  ...NETWORK_FLAGS,
};

/** Handlers get less than elsewhere: a client that has gone does not expect its server to stay. */
const GRACE_MS = 2_000;

/** @throws what is wrong with a module of tools, or an option */
export async function systemOptions(values: Values): Promise<SystemOptions> {
  const data = textOf(values, "data") ?? serverData();
  const threads = threadsOf(values);
  const roots = textsOf(values, "root");
  const network = networkOf(values);
  return {
    data,
    attach: true,
    tasks: [...textsOf(values, "tasks"), ...(await computeTasksOf(values, data))],
    graceMs: GRACE_MS,
    roots: [...(roots.length > 0 ? roots : [process.cwd()]), data],
    allowedHosts: textsOf(values, "allow-host"),
    ...(threads === undefined ? {} : { threads }),
    ...(network && { network }),
  };
}

/** What runs tools on threads; none of ours needs it. */
async function computeTasksOf(values: Values, data: string): Promise<readonly URL[]> {
  if (textsOf(values, "tools").length === 0) return [];
  const { computeTasks } = await import("../tools/index.ts");
  return computeTasks(await toolsOf(values), resolve(data));
}

/** What a server offers. Modules and files are read. @throws whatever is wrong with one of them, INVALID_ARGUMENT */
export async function offerOf(values: Values): Promise<Offer> {
  const tools = await toolsOf(values);
  const files = textsOf(values, "templates");
  if (files.length > 0 && !tools.some(({ metadata }) => metadata.category === "templates")) {
    const allowed = "that beside --toolsets with templates";
    throw fault("INVALID_ARGUMENT", { argument: "--templates", got: "given without its tools", allowed });
  }
  if (files.length === 0) return { tools };
  const { loadTemplates } = await import("./template-files.ts");
  const { registry } = await loadTemplates(files);
  return { tools, templates: registry };
}

/** The longest that closing may take. */
const LEAVE_MS = 15_000;

/** A handler that does not stop, or a disk that hangs, must not leave a server behind that nobody needs. */
export const leaveInTime = (): void => void setTimeout(() => process.exit(0), LEAVE_MS).unref();
