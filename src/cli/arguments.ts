import { parseArgs } from "node:util";
import { fault } from "../errors/index.ts";
import { checkInteger, nearestFirst } from "../schema/index.ts";

/** One flag of a command, as its help shows it. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
  /**
   * What its value is, for a flag that may also stand in the environment or in a configuration file; a path there is
   * relative to the file.
   */
  readonly setting?: "text" | "path" | "number";
}

export type Flags = Readonly<Record<string, Flag>>;
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Command {
  readonly name: string;
  /** What stands after the name: `<template>`; `[<n>]` may be left out, and of `[<id> …]` there may be several. */
  readonly operands: string;
  readonly summary: string;
  readonly flags: Flags;
  readonly examples: readonly string[];
  /** @param sources where the value of each setting comes from that has one */
  run(operands: readonly string[], values: Values, sources: ReadonlyMap<string, string>): Promise<number>;
}

/** Flags that every command has. */
const COMMON_FLAGS: Flags = { help: { type: "boolean", help: "show this help" } };

/** The flag of every command that has settings. */
const CONFIG_FLAGS: Flags = {
  config: {
    type: "string",
    value: "<file>",
    help: "configuration file (default: the user's own; see mcplusplus help config)",
  },
};

/** All flags of a command, as its help shows them. */
export function flagsOf({ flags }: Pick<Command, "flags">): Flags {
  const hasSettings = Object.values(flags).some(({ setting }) => setting !== undefined);
  return { ...flags, ...(hasSettings && CONFIG_FLAGS), ...COMMON_FLAGS };
}

/** As in `-h`. */
const SHORT: Readonly<Record<string, string>> = { help: "h" };

/**
 * What stands on a command line, as many operands as the command takes.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_NAME in words about the command line, not about a parser
 */
export function parseCommandLine(
  command: Command,
  argv: readonly string[],
): { operands: string[]; values: Values } {
  const flags = flagsOf(command);
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, multiple = false }]) => {
      const short = SHORT[name];
      return [name, { type, multiple, ...(short !== undefined && { short }) }];
    }),
  );
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (!flag) throw unknownFlag(token.rawName, argv[token.index] ?? "", Object.keys(flags));
    if (flag.type === "string" && !hasValue(token)) {
      const allowed = `--${token.name} ${flag.value}`;
      throw fault("INVALID_ARGUMENT", { argument: token.rawName, got: "without a value", allowed });
    }
    if (flag.type === "boolean" && token.value !== undefined) {
      const allowed = `--${token.name} alone`;
      throw fault("INVALID_ARGUMENT", { argument: token.rawName, got: `given "${token.value}"`, allowed });
    }
    if (flag.type === "string" && flag.multiple !== true && seen.has(token.name)) {
      throw fault("INVALID_ARGUMENT", { argument: token.rawName, got: "given twice", allowed: "one value" });
    }
    seen.add(token.name);
  }
  if (values["help"] !== true) checkOperands(command, positionals);
  return { operands: positionals, values };
}

function checkOperands({ name, operands }: Command, given: readonly string[]): void {
  const allowed = ["mcplusplus", name, operands].filter(Boolean).join(" ");
  const wanted = operands.split(/ (?=\[?<)/).filter(Boolean);
  for (const [at, operand] of wanted.entries()) {
    const got = given[at] === undefined ? "missing" : given[at] === "" ? "empty" : undefined;
    if (got === undefined || (got === "missing" && operand.startsWith("["))) continue;
    throw fault("INVALID_ARGUMENT", { argument: operand, got, allowed });
  }
  const surplus = operands.endsWith("…]") ? undefined : given[wanted.length];
  if (surplus === undefined) return;
  throw fault("INVALID_ARGUMENT", { argument: `"${surplus}"`, got: "one operand too many", allowed });
}

/** The value of a flag that takes one. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** The value of a flag that takes a whole number from `min` to `max`. @throws INVALID_ARGUMENT */
export function wholeOf(values: Values, name: string, min: number, max: number): number | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  const argument = `--${name}`;
  if (!/^\d{1,15}$/.test(text)) {
    throw fault("INVALID_ARGUMENT", { argument, got: `"${text}"`, allowed: "a whole number" });
  }
  checkInteger(argument, Number(text), min, max);
  return Number(text);
}

/** The value of a flag that takes a number, also a negative or broken one. @throws INVALID_ARGUMENT */
export function numberOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  return text === undefined ? undefined : toNumber(text, `--${name}`);
}

/** @param argument where the text stands, for the sentence @throws INVALID_ARGUMENT */
export function toNumber(text: string, argument: string): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text)) return Number(text);
  throw fault("INVALID_ARGUMENT", { argument, got: `"${text}"`, allowed: "a number" });
}

/** The values of a flag that may be given several times. */
export function textsOf(values: Values, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** A flag in the place of a value means that the value was forgotten; one that looks like a flag is written `--f=--x`. */
function hasValue({
  value,
  inlineValue,
}: {
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}): boolean {
  return value !== undefined && value !== "" && (inlineValue === true || !value.startsWith("--"));
}

function unknownFlag(rawName: string, given: string, names: readonly string[]): Error {
  if (/^-[\d.]/.test(given)) {
    const allowed = `-- ${given}: after two dashes nothing is taken for an option`;
    return fault("INVALID_ARGUMENT", { argument: given, got: "no option", allowed });
  }
  const known = nearestFirst(rawName.replace(/^-+/, ""), names).map((name) => `--${name}`);
  return fault("UNKNOWN_NAME", { kind: "option", name: rawName, known });
}
