import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fault } from "../errors/index.ts";
import { openSystem, type System, type SystemOptions } from "../system/index.ts";
import type { Words } from "../tools/index.ts";
import type { TemplateRegistry } from "../workflow/template.ts";
import { numberOf, type Command, type Flags, type Values } from "./arguments.ts";
import { INTERRUPTED, oneLine } from "./failure.ts";
import { openInterrupts } from "./interrupts.ts";
import { dataAskedOf, settings } from "./setting-flags.ts";

/** What a tool answers: plain JSON, checked by the tool's own output schema. */
export type Answer = Readonly<Record<string, unknown>>;

/** What is at hand while the system is open. */
export interface OpenCommand {
  readonly system: System;
  readonly values: Values;
  readonly signal: AbortSignal;
  call(tool: string, args: Record<string, unknown>): Promise<Answer>;
  /** A line for people; nothing with `--json`. */
  note(line: string): void;
}

/** A verb of the command line that is a tool of the MCP server too: same arguments, same answer. */
export interface ToolVerb extends Omit<Command, "run"> {
  readonly tool: string;
  /** What was typed for an argument of the tool: `--status` for `status_filter`. Flags of the same name go without. */
  readonly typed?: Readonly<Record<string, string>>;
  /** @param operands as many as `operands` says @throws INVALID_ARGUMENT */
  argsOf(
    operands: readonly string[],
    values: Values,
  ): Record<string, unknown> | Promise<Record<string, unknown>>;
  /** Those that the tool is about; default: none. */
  templatesOf?(operands: readonly string[], values: Values): Promise<TemplateRegistry>;
  /** The answer in lines for people. */
  linesOf(answer: Answer, values: Values): readonly string[];
  readonly options?: (values: Values) => SystemOptions;
  /** The command fails when the task that it is about has. */
  readonly failsWithTask?: boolean;
  /** What is still to be done with the system open, and the answer that it gives in place of the first. */
  follow?(answer: Answer, open: OpenCommand): Promise<Answer>;
}

/** Verbs that belong together. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}

/** All that can be typed. */
export interface Vocabulary {
  readonly commands: readonly Command[];
  readonly groups: readonly CommandGroup[];
  /** One word for two. */
  readonly short: Readonly<Record<string, string>>;
}

/**
 * Whoever only asks or changes something carries out nothing: it would be cut off when the command ends. Where another
 * process owns the directory, that one is asked.
 *
 * @throws FILE_UNREADABLE where there is no data directory: a name that was mistyped would else be an empty queue
 */
function idle(values: Values): SystemOptions {
  const data = dataAskedOf(values);
  if (statSync(data, { throwIfNoEntry: false })) return { data, attach: true, idle: true };
  const why = "there is no such directory: task submit makes one, and --data names another";
  throw fault("FILE_UNREADABLE", { path: resolve(data), why });
}

/** Codes of a command line that was wrong, as against a request that failed. */
const WRONG_USAGE: ReadonlySet<unknown> = new Set([
  "INPUT_INVALID",
  "INVALID_ARGUMENT",
  "CONFIRMATION_REQUIRED",
]);

export function toolCommand(verb: ToolVerb): Command {
  const { name, operands, summary, examples } = verb;
  const flags: Flags = {
    ...verb.flags,
    ...settings("data"),
    json: { type: "boolean", help: "the answer as one line of JSON, and nothing else" },
  };
  return {
    name,
    operands,
    summary,
    flags,
    examples,
    async run(given, values) {
      // What goes wrong is told in one sentence at the end; an operator who wants more sets the level.
      process.env["MCPLUSPLUS_LOG"] ??= "error";
      const templates = await verb.templatesOf?.(given, values);
      const args = await verb.argsOf(given, values);
      const answer = await carryOut(verb, { args, templates, values });
      if (values["json"] === true) say(JSON.stringify(answer));
      else if (answer["success"] === true)
        for (const line of verb.linesOf(answer, values)) say(printable(line));
      return exitCodeOf(answer, verb.failsWithTask === true);
    },
  };
}

interface Asked {
  readonly args: Record<string, unknown>;
  readonly templates: TemplateRegistry | undefined;
  readonly values: Values;
}

async function carryOut(verb: ToolVerb, { args, templates, values }: Asked): Promise<Answer> {
  // Only here: reading a help text needs no schemas.
  const { TOOLS, callTool } = await import("../tools/index.ts");
  const note = (line: string): void => {
    if (values["json"] !== true) say(line);
  };
  const interrupts = openInterrupts(note);
  const { signal } = interrupts;
  const words = wordsOf(verb);
  let opened: System | undefined;
  const open = async (): Promise<System> => (opened ??= await openSystem((verb.options ?? idle)(values)));
  const call = async (name: string, given: Record<string, unknown>): Promise<Answer> => {
    const tool = TOOLS.find((each) => each.name === name);
    if (!tool) throw fault("UNKNOWN_NAME", { kind: "tool", name, known: TOOLS.map((each) => each.name) });
    if (name === verb.tool)
      return callTool(tool, given, { open, signal, words, ...(templates && { templates }) });
    // What was asked for is asked for once; after an interruption the rest is still to be told.
    return callTool(tool, given, { open, signal: new AbortController().signal });
  };
  try {
    const answer = await call(verb.tool, args);
    if (answer["success"] !== true || !verb.follow) return answer;
    return await verb.follow(answer, { system: await open(), values, signal, call, note });
  } finally {
    await opened?.close();
    interrupts.close();
  }
}

/** A refusal speaks of what was typed. */
function wordsOf({ name, flags, typed = {} }: ToolVerb): Words {
  const nameOf = (argument: string): string =>
    argument.replace(/^([\w.]+)(\[\d+\])?/, (place, parameter: string) => {
      const flag = parameter.replaceAll("_", "-");
      const [head = "", member] = parameter.split(/\.(.*)/s);
      if (member !== undefined && typed[parameter] === undefined && typed[head] !== undefined)
        return `${typed[head]} ${member}`;
      return typed[parameter] ?? (Object.hasOwn(flags, flag) ? `--${flag}` : place);
    });
  return { what: name, nameOf, confirmation: "--yes" };
}

/** Says on standard error what went wrong. */
function exitCodeOf(answer: Answer, failsWithTask: boolean): number {
  const { success, error, code, failure } = answer;
  if (success === true && !(failsWithTask && typeof failure === "string")) return 0;
  process.stderr.write(`mcplusplus: ${oneLine(String(success === true ? failure : error))}\n`);
  if (success !== true) return WRONG_USAGE.has(code) ? 2 : code === "CANCELLED" ? INTERRUPTED : 1;
  return answer["failure_code"] === "CANCELLED" ? INTERRUPTED : 1;
}

/** Handlers put what they like into their messages, escapes included. */
function printable(line: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  return line.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Without what was not given: the tools have their own defaults. */
export function given(args: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}

/** The same flags wherever a page of a list is asked for. */
export const PAGE_FLAGS: Flags = {
  limit: { type: "string", value: "<n>", help: "how many at most, 1 to 1000 (default 100)" },
  offset: { type: "string", value: "<n>", help: "how many to leave out from the beginning (default 0)" },
};
export const pageArgs = (values: Values): Record<string, unknown> => ({
  limit: numberOf(values, "limit"),
  offset: numberOf(values, "offset"),
});
