import { isAbsolute } from "node:path";
import { fault } from "../errors/index.ts";
import type { Template } from "../workflow/template.ts";
import type { Flags } from "./arguments.ts";

/** What the command line says about a template's blanks, and what follows from it. */
export interface RunParameters {
  readonly values: Readonly<Record<string, unknown>>;
  /** The directory for results. */
  readonly out: string;
  /** Paths that were named outside the working directory: naming them opens them to the handlers. */
  readonly named: readonly string[];
}

const OUT_DEFAULT = "out";

/** What is said of a template wherever one becomes a run. */
export const TEMPLATE_FLAGS: Flags = {
  include: {
    type: "string",
    multiple: true,
    value: "<file>",
    help: "file of templates that the template includes; may be given several times",
  },
  param: {
    type: "string",
    multiple: true,
    value: "<name>=<value>",
    help: "a parameter of the template, JSON or text; may be given several times",
  },
};

/**
 * @param pairs `name=value`; a value that is JSON is taken as such unless the template wants text
 * @param outFlag fills the template's parameter `out`, if it has one
 * @throws INVALID_ARGUMENT
 */
export function runParameters(
  pairs: readonly string[],
  outFlag: string | undefined,
  { parameters }: Pick<Template, "parameters">,
): RunParameters {
  const values: Record<string, unknown> = {};
  for (const pair of pairs) {
    const [, name = "", text = ""] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === "") refuse("--param", `"${pair}"`, "<name>=<value>");
    if (Object.hasOwn(values, name)) refuse(`--param ${name}`, "given twice", "one value");
    const wantsText = parameters.find((each) => each.name === name)?.type === "string";
    values[name] = wantsText ? text : jsonOrText(text);
  }
  const named = Object.values(values).filter((value) => typeof value === "string" && leadsElsewhere(value));
  const declared = parameters.find(({ name }) => name === "out");
  if (outFlag !== undefined && Object.hasOwn(values, "out") && values["out"] !== outFlag) {
    refuse("--out", "given beside another --param out", "one of the two");
  }
  const out = textOf(outFlag ?? values["out"]) ?? textOf(declared?.default) ?? OUT_DEFAULT;
  return { values: declared ? { ...values, out } : values, out, named: named as string[] };
}

const leadsElsewhere = (path: string): boolean => isAbsolute(path) || path.split(/[\\/]/).includes("..");

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function refuse(argument: string, got: string, allowed: string): never {
  throw fault("INVALID_ARGUMENT", { argument, got, allowed });
}
