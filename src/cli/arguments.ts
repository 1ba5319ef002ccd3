import { parseArgs } from "node:util";
import { fault } from "../errors/index.ts";
import { nearestName } from "../schema/index.ts";

/** One flag of a command, as its help shows it. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Command {
  readonly name: string;
  /** What stands after the name: `<template.json>`. */
  readonly operands: string;
  readonly summary: string;
  readonly flags: Flags;
  readonly examples: readonly string[];
  run(operands: readonly string[], values: Values): Promise<number>;
}

/** Flags that every command has. */
export const COMMON_FLAGS: Flags = { help: { type: "boolean", help: "show this help" } };

/** The same in every command that carries out tasks. */
export const TASKS_FLAG: Flag = {
  type: "string",
  multiple: true,
  value: "<module>",
  help: "module of handlers; may be given several times",
};

/** @throws INVALID_ARGUMENT in words about the command line, not about a parser */
export function parseCommandLine(
  command: Command,
  argv: readonly string[],
): { operands: string[]; values: Values } {
  const flags = { ...COMMON_FLAGS, ...command.flags };
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
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
    if (!flag) throw unknownFlag(token.rawName, Object.keys(flags));
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
  return { operands: positionals, values };
}

/** The value of a flag that takes one. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** The value of a flag that takes a whole number; its range is for whoever uses it to check. */
export function wholeOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  if (text === undefined || /^\d{1,15}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw fault("INVALID_ARGUMENT", { argument: `--${name}`, got: `"${text}"`, allowed: "a whole number" });
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

function unknownFlag(rawName: string, names: readonly string[]): Error {
  const nearest = nearestName(rawName.replace(/^-+/, ""), names);
  const others = names.filter((name) => name !== nearest).map((name) => `--${name}`);
  const known = nearest ? [`--${nearest} (did you mean that?)`, ...others] : others;
  return fault("UNKNOWN_NAME", { kind: "option", name: rawName, known });
}
