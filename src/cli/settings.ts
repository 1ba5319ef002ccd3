import { delimiter, resolve } from "node:path";
import { fault, isFault } from "../errors/index.ts";
import { nearestFirst, shortText } from "../schema/index.ts";
import { wholeOf, type Flag, type Flags, type Values } from "./arguments.ts";
import type { ConfigFile } from "./config-file.ts";
import { SETTING_FLAGS } from "./setting-flags.ts";

/**
 * Where the value of each setting comes from that has one: `--threads`, `MCPLUSPLUS_THREADS`, or the path of the file,
 * which stands under `config` too.
 */
export type Sources = ReadonlyMap<string, string>;

export interface Settled {
  readonly values: Values;
  readonly sources: Sources;
}

type Value = string | boolean | string[];

/** `heap-mb` is `MCPLUSPLUS_HEAP_MB`. */
const variableOf = (name: string): string => `MCPLUSPLUS_${name.toUpperCase().replaceAll("-", "_")}`;

/**
 * What the command line leaves out is taken from the environment, and what that leaves out from the file.
 *
 * @param flags of the command: it ignores the settings of others
 * @throws INVALID_ARGUMENT for a value that is none of its kind
 */
export function settle(
  flags: Flags,
  given: Values,
  env: NodeJS.ProcessEnv,
  file: ConfigFile | null,
): Settled {
  const values: Record<string, Values[string]> = { ...given };
  const sources = new Map<string, string>(file === null ? [] : [["config", file.path]]);
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.setting === undefined) continue;
    const variable = variableOf(name);
    const inEnvironment = env[variable];
    if (given[name] !== undefined) sources.set(name, `--${name}`);
    else if (inEnvironment !== undefined && inEnvironment !== "") {
      values[name] = fromEnvironment(flag, inEnvironment, variable);
      sources.set(name, variable);
    } else if (file !== null && Object.hasOwn(file.content, name)) {
      values[name] = fromFile(flag, file.content[name], { name, file });
      sources.set(name, file.path);
    }
  }
  checkNumbers(flags, { values, sources });
  return { values, sources };
}

/** Also for a command that only shows them; the range is for whoever uses one. @throws INVALID_ARGUMENT */
function checkNumbers(flags: Flags, { values, sources }: Settled): void {
  const numbers = Object.entries(flags).filter(([, { setting }]) => setting === "number");
  try {
    for (const [name] of numbers) wholeOf(values, name, 0, Number.MAX_SAFE_INTEGER);
  } catch (error) {
    throw inWordsOfSource(error, sources);
  }
}

/** Are all keys of the file names of settings? @throws UNKNOWN_NAME */
export function checkSettingNames({ path, content }: ConfigFile): void {
  const known = Object.keys(SETTING_FLAGS);
  const unknown = Object.keys(content).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const kind = `setting in ${path}:`;
  throw fault("UNKNOWN_NAME", { kind, name: unknown, known: nearestFirst(unknown, known) });
}

/** A refusal of an option whose value nobody typed names the place where it stands. */
export function inWordsOfSource(error: unknown, sources: Sources): unknown {
  if (!isFault(error, "INVALID_ARGUMENT")) return error;
  const { argument, ...rest } = error.details;
  const name = argument.replace(/^--/, "");
  const source = argument === name ? undefined : sources.get(name);
  if (source === undefined || source === argument) return error;
  const place = source === variableOf(name) ? source : `${name} in ${source}`;
  return fault("INVALID_ARGUMENT", { ...rest, argument: place }, { cause: error });
}

const SWITCHES: Readonly<Record<string, boolean>> = { "1": true, true: true, "0": false, false: false };

function fromEnvironment({ type, multiple, setting }: Flag, text: string, variable: string): Value {
  if (type === "string") {
    if (multiple !== true) return text;
    return text.split(setting === "path" ? delimiter : ",").filter((each) => each !== "");
  }
  const value = Object.hasOwn(SWITCHES, text) ? SWITCHES[text] : undefined;
  if (value !== undefined) return value;
  const allowed = "1, true, 0 or false";
  throw fault("INVALID_ARGUMENT", { argument: variable, got: `"${text}"`, allowed });
}

function fromFile(
  { type, multiple, setting }: Flag,
  value: unknown,
  { name, file }: { name: string; file: ConfigFile },
): Value {
  const wrong = (got: unknown, allowed: string): Error =>
    fault("INVALID_ARGUMENT", { argument: `${name} in ${file.path}`, got: shortText(got), allowed });
  if (type === "boolean") {
    if (typeof value !== "boolean") throw wrong(value, "true or false");
    return value;
  }
  const read = (each: unknown): string => {
    if (setting === "number" && typeof each === "number") return String(each);
    if (setting === "number" || typeof each !== "string" || each === "") {
      const one = setting === "number" ? "a number" : "a text";
      throw wrong(each, multiple === true ? `${one}, or a list of them` : one);
    }
    return setting === "path" ? resolve(file.directory, each) : each;
  };
  if (multiple !== true) return read(value);
  return Array.isArray(value) ? value.map(read) : [read(value)];
}
