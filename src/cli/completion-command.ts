import { fault } from "../errors/index.ts";
import { flagsOf, type Command } from "./arguments.ts";
import type { CommandGroup, Vocabulary } from "./tool-command.ts";

type Script = (vocabulary: Vocabulary) => string;

const SHELLS = ["bash", "zsh", "fish"] as const;

/** @param vocabulary asked for when a script is made: this command is part of it */
export const completionCommandOf = (vocabulary: () => Promise<Vocabulary>): Command => ({
  name: "completion",
  operands: "<shell>",
  summary: `print what makes a shell complete commands and options: ${SHELLS.join(", ")}`,
  flags: {},
  examples: [
    "source <(mcplusplus completion bash)",
    "mcplusplus completion zsh > ~/.zfunc/_mcplusplus",
    "mcplusplus completion fish > ~/.config/fish/completions/mcplusplus.fish",
  ],
  async run([shell = ""]) {
    const found = SHELLS.find((each) => each === shell);
    const allowed = `one of ${SHELLS.join(", ")}`;
    if (found === undefined)
      throw fault("INVALID_ARGUMENT", { argument: "<shell>", got: `"${shell}"`, allowed });
    process.stdout.write(`${SCRIPTS[found](await vocabulary())}\n`);
    return 0;
  },
});

/** What is typed for a command, and the command. */
interface Saying {
  readonly words: readonly string[];
  readonly command: Command;
}

function sayings({ commands, groups, short }: Vocabulary): Saying[] {
  const inGroups = groups.flatMap((group) => group.commands);
  return [
    ...[...commands, ...inGroups].map((command) => ({ words: command.name.split(" "), command })),
    ...Object.entries(short).flatMap(([verb, full]) => {
      const command = inGroups.find(({ name }) => name === full);
      return command ? [{ words: [verb], command }] : [];
    }),
  ];
}

/** What may be typed first, and what that is for. */
const firstWords = ({
  commands,
  groups,
  short,
}: Vocabulary): (readonly [name: string, summary: string])[] => [
  ...[...commands, ...groups].map(({ name, summary }) => [name, summary] as const),
  ...Object.entries(short).map(([verb, full]) => [verb, `the same as ${full}`] as const),
  ["help", "show what there is"],
];

const optionsOf = (command: Command): string[] => Object.keys(flagsOf(command)).map((flag) => `--${flag}`);

const verbsOf = ({ name, commands }: CommandGroup): string[] =>
  commands.map((command) => command.name.slice(name.length + 1));

/** Where it knows nothing it completes names of files. @see https://www.gnu.org/software/bash/manual/html_node/Programmable-Completion.html */
const bash: Script = (all) => {
  const cases: (readonly [pattern: string, words: string[]])[] = [
    ...sayings(all).map(
      ({ words: [first, verb], command }) =>
        [verb === undefined ? `"${first} "*` : `"${first} ${verb}"`, optionsOf(command)] as const,
    ),
    ...all.groups.map((group) => [`"${group.name} "*`, verbsOf(group)] as const),
  ];
  return [
    "_mcplusplus() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}" words=""',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${firstWords(all)
      .map(([name]) => name)
      .join(" ")}"`,
    "  else",
    '    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in',
    ...cases.map(([pattern, words]) => `      ${pattern}) words="${words.join(" ")}" ;;`),
    "    esac",
    "  fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "}",
    "complete -o default -F _mcplusplus mcplusplus",
  ].join("\n");
};

const zsh: Script = (all) =>
  ["#compdef mcplusplus", "autoload -U +X bashcompinit && bashcompinit", bash(all)].join("\n");

/** @see https://fishshell.com/docs/current/completions.html */
const fish: Script = (all) => {
  const { groups } = all;
  const line = (condition: string, rest: string): string =>
    `complete -c mcplusplus -n '${condition}' ${rest}`;
  const word = (condition: string, name: string, summary: string): string =>
    line(condition, `-f -a ${name} -d ${quoted(summary)}`);
  const seen = (name: string): string => `__fish_seen_subcommand_from ${name}`;
  const options = ({ words, command }: Saying): string[] =>
    Object.entries(flagsOf(command)).map(([flag, { type, help }]) =>
      line(words.map(seen).join("; and "), `-l ${flag}${type === "string" ? " -r" : ""} -d ${quoted(help)}`),
    );
  return [
    ...firstWords(all).map(([name, summary]) => word("__fish_use_subcommand", name, summary)),
    ...groups.flatMap((group) =>
      group.commands.map((command) =>
        word(
          `${seen(group.name)}; and not ${seen(verbsOf(group).join(" "))}`,
          command.name.slice(group.name.length + 1),
          command.summary,
        ),
      ),
    ),
    ...sayings(all).flatMap(options),
  ].join("\n");
};

/** @see https://fishshell.com/docs/current/language.html#quotes */
const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], Script>> = { bash, zsh, fish };
