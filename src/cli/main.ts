import { fault, isCancellation, isFault } from "../errors/index.ts";
import { nearestName } from "../schema/index.ts";
import { parseCommandLine, type Command } from "./arguments.ts";
import { backupCommand } from "./backup-command.ts";
import { cacheGroup } from "./cache-command.ts";
import { deadLettersGroup } from "./deadletters-command.ts";
import { exportCommand } from "./export-command.ts";
import { exitCodeOf, failureOf, sentenceFor } from "./failure.ts";
import { groupHelp, helpOf, overview } from "./help.ts";
import { importCommand } from "./import-command.ts";
import { loadCommand } from "./load-command.ts";
import { mcpCommand } from "./mcp-command.ts";
import { outputFailed, watchOutput } from "./output.ts";
import { queueGroup } from "./queue-command.ts";
import { quotaGroup } from "./quota-command.ts";
import { restoreCommand } from "./restore-command.ts";
import { runCommand } from "./run-command.ts";
import { taskGroup } from "./task-command.ts";
import { templateGroup } from "./template-command.ts";
import type { CommandGroup } from "./tool-command.ts";
import { version } from "./version.ts";
import { workflowGroup } from "./workflow-command.ts";

const COMMANDS: readonly Command[] = [
  runCommand,
  loadCommand,
  mcpCommand,
  backupCommand,
  restoreCommand,
  exportCommand,
  importCommand,
];
/** Their commands have two words. */
const GROUPS: readonly CommandGroup[] = [
  workflowGroup,
  taskGroup,
  queueGroup,
  deadLettersGroup,
  quotaGroup,
  templateGroup,
  cacheGroup,
];

/**
 * The command line. Whatever goes wrong becomes one sentence on standard error, and with `--json` also the one line on
 * standard output; a stack is shown for defects only.
 *
 * @param argv without node and the script
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 cancelled
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = argv;
  watchOutput();
  let command: Command | undefined;
  try {
    if (name === "--version" || name === "version") return say(version());
    if (HELP.has(name)) return say(helpFor(rest));
    const group = GROUPS.find((each) => each.name === name);
    if (group && HELP.has(rest[0] ?? "")) return say(groupHelp(group));
    command = group ? findVerb(group, rest[0]) : find(name);
    const { operands, values } = parseCommandLine(command, group ? rest.slice(1) : rest);
    if (values["help"] === true) return say(helpOf(command));
    const code = await command.run(operands, values);
    return code === 0 && outputFailed() ? 1 : code;
  } catch (error) {
    // A command that there is not would have had it.
    const json = rest.includes("--json") && (command === undefined || "json" in command.flags);
    if (json) say(JSON.stringify(failureOf(error)));
    if (!isCancellation(error)) process.stderr.write(`mcplusplus: ${sentenceFor(error)}\n`);
    if (!isFault(error) && !isCancellation(error) && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    return exitCodeOf(error);
  }
}

const HELP: ReadonlySet<string> = new Set(["help", "--help", "-h"]);

/** @param words what stands after `help` */
function helpFor([name, verb]: readonly string[]): string {
  if (name === undefined || HELP.has(name)) return overview(COMMANDS, GROUPS);
  const group = GROUPS.find((each) => each.name === name);
  if (!group) return helpOf(find(name));
  return verb === undefined ? groupHelp(group) : helpOf(findVerb(group, verb));
}

function find(name: string): Command {
  const command = COMMANDS.find((each) => each.name === name);
  if (command) return command;
  throw unknown("command", name, [...[...COMMANDS, ...GROUPS].map((each) => each.name), "help"]);
}

function findVerb({ name, commands }: CommandGroup, verb: string | undefined): Command {
  const names = commands.map((each) => each.name);
  if (verb === undefined || verb.startsWith("-")) {
    const got = verb === undefined ? "alone" : `followed by ${verb}`;
    throw fault("INVALID_ARGUMENT", { argument: name, got, allowed: `one of ${names.join(", ")}` });
  }
  const command = commands.find((each) => each.name === `${name} ${verb}`);
  if (command) return command;
  throw unknown("command", `${name} ${verb}`, names);
}

function unknown(kind: string, name: string, known: readonly string[]): Error {
  const nearest = nearestName(name, known);
  return fault("UNKNOWN_NAME", {
    kind,
    name,
    known: nearest ? [`${nearest} (did you mean that?)`, ...known.filter((each) => each !== nearest)] : known,
  });
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
