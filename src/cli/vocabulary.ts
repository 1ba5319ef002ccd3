import { fault } from "../errors/index.ts";
import { nearestFirst } from "../schema/index.ts";
import type { Command } from "./arguments.ts";
import type { CommandGroup, Vocabulary } from "./tool-command.ts";

/** Each is loaded when it is asked for: a server that starts needs no chart of a load test. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run-command.ts")).runCommand,
  load: async () => (await import("./load-command.ts")).loadCommand,
  mcp: async () => (await import("./mcp-command.ts")).mcpCommand,
  serve: async () => (await import("./serve-command.ts")).serveCommand,
  tools: async () => (await import("./tools-command.ts")).toolsCommand,
  backup: async () => (await import("./backup-command.ts")).backupCommand,
  restore: async () => (await import("./restore-command.ts")).restoreCommand,
  export: async () => (await import("./export-command.ts")).exportCommand,
  import: async () => (await import("./import-command.ts")).importCommand,
  config: async () => (await import("./config-command.ts")).configCommand,
  doctor: async () => (await import("./doctor-command.ts")).doctorCommand,
  completion: async () => (await import("./completion-command.ts")).completionCommandOf(vocabulary),
};

/** Their commands have two words. */
const GROUPS: Readonly<Record<string, () => Promise<CommandGroup>>> = {
  workflow: async () => (await import("./workflow-command.ts")).workflowGroup,
  task: async () => (await import("./task-command.ts")).taskGroup,
  queue: async () => (await import("./queue-command.ts")).queueGroup,
  deadletters: async () => (await import("./deadletters-command.ts")).deadLettersGroup,
  quota: async () => (await import("./quota-command.ts")).quotaGroup,
  template: async () => (await import("./template-command.ts")).templateGroup,
  cache: async () => (await import("./cache-command.ts")).cacheGroup,
  peers: async () => (await import("./peers-command.ts")).peersGroup,
};

/** What is asked for most goes by its verb alone. */
const SHORT: Readonly<Record<string, string>> = {
  submit: "workflow submit",
  status: "workflow status",
  list: "workflow list",
  cancel: "workflow cancel",
  pause: "workflow pause",
  resume: "workflow resume",
  logs: "workflow logs",
  explain: "task explain",
};

export async function vocabulary(): Promise<Vocabulary> {
  const all = <T>(loaders: Readonly<Record<string, () => Promise<T>>>): Promise<T[]> =>
    Promise.all(Object.values(loaders).map((load) => load()));
  const [commands, groups] = await Promise.all([all(COMMANDS), all(GROUPS)]);
  return { commands, groups, short: SHORT };
}

/** A verb that goes alone, in full; other words as they are. */
export function inFull([first = "help", ...rest]: readonly string[]): string[] {
  const full = Object.hasOwn(SHORT, first) ? SHORT[first] : undefined;
  return full === undefined ? [first, ...rest] : [...full.split(" "), ...rest];
}

export async function findGroup(name: string): Promise<CommandGroup | undefined> {
  return Object.hasOwn(GROUPS, name) ? GROUPS[name]?.() : undefined;
}

/** @throws UNKNOWN_NAME */
export async function findCommand(name: string): Promise<Command> {
  const command = Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.() : undefined;
  if (command !== undefined) return command;
  throw unknown(name, [...Object.keys({ ...COMMANDS, ...GROUPS, ...SHORT }), "help"]);
}

/** @throws UNKNOWN_NAME, INVALID_ARGUMENT where there is none */
export function findVerb({ name, commands }: CommandGroup, verb: string | undefined): Command {
  const names = commands.map((each) => each.name);
  if (verb === undefined || verb.startsWith("-")) {
    const got = verb === undefined ? "alone" : `followed by ${verb}`;
    throw fault("INVALID_ARGUMENT", { argument: name, got, allowed: `one of ${names.join(", ")}` });
  }
  const command = commands.find((each) => each.name === `${name} ${verb}`);
  if (command) return command;
  throw unknown(`${name} ${verb}`, names);
}

const unknown = (name: string, known: readonly string[]): Error =>
  fault("UNKNOWN_NAME", { kind: "command", name, known: nearestFirst(name, known) });
