import { fault, isCancellation, isFault } from "../errors/index.ts";
import { nearestName } from "../schema/index.ts";
import { parseCommandLine, type Command } from "./arguments.ts";
import { exitCodeOf, failureOf, sentenceFor } from "./failure.ts";
import { helpOf, overview } from "./help.ts";
import { mcpCommand } from "./mcp-command.ts";
import { runCommand } from "./run-command.ts";
import { version } from "./version.ts";

const COMMANDS: readonly Command[] = [runCommand, mcpCommand];

/**
 * The command line. Whatever goes wrong becomes one sentence on standard error, and with `--json` also the one line on
 * standard output; a stack is shown for defects only.
 *
 * @param argv without node and the script
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 cancelled
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = argv;
  // Whoever reads our output may stop reading (`| head`); the work goes on, and nobody is left to tell.
  if (!process.stdout.listeners("error").includes(ignoreBrokenPipe)) {
    process.stdout.on("error", ignoreBrokenPipe);
  }
  try {
    if (name === "--version" || name === "version") return say(version());
    if (name === "help" || name === "--help" || name === "-h")
      return say(rest[0] ? helpOf(find(rest[0])) : overview(COMMANDS));
    const command = find(name);
    const { operands, values } = parseCommandLine(command, rest);
    if (values["help"] === true) return say(helpOf(command));
    return await command.run(operands, values);
  } catch (error) {
    if (name === runCommand.name && rest.includes("--json")) say(JSON.stringify(failureOf(error)));
    if (!isCancellation(error)) process.stderr.write(`mcplusplus: ${sentenceFor(error)}\n`);
    if (!isFault(error) && !isCancellation(error) && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    return exitCodeOf(error);
  }
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

function find(name: string): Command {
  const command = COMMANDS.find((each) => each.name === name);
  if (command) return command;
  const known = [...COMMANDS.map((each) => each.name), "help"];
  const nearest = nearestName(name, known);
  throw fault("UNKNOWN_NAME", {
    kind: "command",
    name,
    known: nearest ? [`${nearest} (did you mean that?)`, ...known.filter((each) => each !== nearest)] : known,
  });
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
