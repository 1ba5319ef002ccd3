import { fault, isCancellation, isFault, sentenceOf } from "../errors/index.ts";
import { nearestName } from "../schema/index.ts";
import { parseCommandLine, type Command } from "./arguments.ts";
import { helpOf, overview } from "./help.ts";
import { mcpCommand } from "./mcp-command.ts";
import { runCommand } from "./run-command.ts";
import { version } from "./version.ts";

/** Exit code after a cancellation by Ctrl-C: 128 + SIGINT, as shells have it. */
const INTERRUPTED = 130;

const COMMANDS: readonly Command[] = [runCommand, mcpCommand];

/**
 * The command line. Whatever goes wrong becomes one sentence on standard error; a stack is shown for defects only.
 *
 * @param argv without node and the script
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 cancelled
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = argv;
  try {
    if (name === "--version" || name === "version") return say(version());
    if (name === "help" || name === "--help" || name === "-h") return say(rest[0] ? helpOf(find(rest[0])) : overview(COMMANDS));
    const command = find(name);
    const { operands, values } = parseCommandLine(command, rest);
    if (values["help"] === true) return say(helpOf(command));
    return await command.run(operands, values);
  } catch (error) {
    if (isCancellation(error)) return INTERRUPTED;
    process.stderr.write(`mcplusplus: ${sentenceOf(error)}\n`);
    if (!isFault(error)) process.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
    return isFault(error, "INVALID_ARGUMENT") || isFault(error, "UNKNOWN_NAME") ? 2 : 1;
  }
}

function find(name: string): Command {
  const command = COMMANDS.find((each) => each.name === name);
  if (command) return command;
  const known = COMMANDS.map((each) => each.name);
  const nearest = nearestName(name, known);
  throw fault("UNKNOWN_NAME", { kind: "command", name, known: nearest ? [`${nearest} (did you mean that?)`, "help"] : [...known, "help"] });
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
