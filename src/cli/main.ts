import { isCancellation, isFault } from "../errors/index.ts";
import { flagsOf, parseCommandLine, textOf, type Command, type Values } from "./arguments.ts";
import { readConfigFile } from "./config-file.ts";
import { exitCodeOf, failureOf, sentenceFor } from "./failure.ts";
import { groupHelp, helpOf, overview } from "./help.ts";
import { outputFailed, watchOutput } from "./output.ts";
import { checkSettingNames, inWordsOfSource, settle } from "./settings.ts";
import { version } from "./version.ts";
import { findCommand, findGroup, findVerb, inFull, vocabulary } from "./vocabulary.ts";

/**
 * The command line. Whatever goes wrong becomes one sentence on standard error, and with `--json` also the one line on
 * standard output; a stack is shown for defects only.
 *
 * @param argv without node and the script
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 cancelled
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = inFull(argv);
  watchOutput();
  let command: Command | undefined;
  try {
    if (name === "--version" || name === "version") return say(version());
    if (HELP.has(name)) return say(await helpFor(rest));
    const group = await findGroup(name);
    if (group && HELP.has(rest[0] ?? "")) return say(groupHelp(group));
    command = group ? findVerb(group, rest[0]) : await findCommand(name);
    const { operands, values } = parseCommandLine(command, group ? rest.slice(1) : rest);
    if (values["help"] === true) return say(helpOf(command));
    const code = await runSettled(command, operands, values);
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

/** With what the environment and the configuration file say beside the command line. */
async function runSettled(command: Command, operands: readonly string[], given: Values): Promise<number> {
  const flags = flagsOf(command);
  if (!Object.hasOwn(flags, "config")) return command.run(operands, given, new Map());
  const file = await readConfigFile(textOf(given, "config"), process.env);
  if (file !== null) checkSettingNames(file);
  const { values, sources } = settle(flags, given, process.env, file);
  try {
    return await command.run(operands, values, sources);
  } catch (error) {
    throw inWordsOfSource(error, sources);
  }
}

const HELP: ReadonlySet<string> = new Set(["help", "--help", "-h"]);

/** @param words what stands after `help` */
async function helpFor(words: readonly string[]): Promise<string> {
  const [name, verb] = words.length === 0 ? [] : inFull(words);
  if (name === undefined || HELP.has(name)) return overview(await vocabulary());
  const group = await findGroup(name);
  if (!group) return helpOf(await findCommand(name));
  return verb === undefined ? groupHelp(group) : helpOf(findVerb(group, verb));
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
