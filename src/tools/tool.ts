import { fault, isFault, toWireError } from "../errors/index.ts";
import { check, toInputSchema, type z } from "../schema/zod-schema.ts";
import type { System } from "../system/index.ts";

/** What a client may assume about a call before it makes it. All four are always given. */
export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface ToolCall {
  readonly system: System;
  readonly signal: AbortSignal;
}

/** Where a call comes from: the system is opened for it when its arguments are right. */
export interface ToolCaller {
  readonly open: () => Promise<System>;
  readonly signal: AbortSignal;
}

/** A thin face of the system: it checks, maps and names. It holds no logic. */
export interface Tool<I extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  readonly output: z.ZodObject;
  readonly hints: ToolHints;
  /** Arguments that a failure repeats, so that the caller knows what it is about. */
  readonly echo: readonly (keyof z.output<I> & string)[];
  run(args: z.output<I>, call: ToolCall): Promise<Record<string, unknown>>;
}

export function defineTool<I extends z.ZodObject>(tool: Tool<I>): Tool {
  // The caller of `run` has checked its arguments against `input`, whatever that is.
  return Object.freeze(tool);
}

/** The JSON Schema of a tool's arguments, as a client is told it. */
export const inputSchemaOf = (tool: Tool): Record<string, unknown> => toInputSchema(tool.input);

/**
 * Carries out a call. Never throws: what went wrong is the answer, in the one shape that every tool has for it.
 *
 * @param args as they came; they are checked here
 * @returns plain JSON
 */
export async function callTool(
  tool: Tool,
  args: unknown,
  { open, signal }: ToolCaller,
): Promise<Record<string, unknown>> {
  try {
    const checked = check(tool.input, args ?? {});
    if (checked.problems) throw fault("INPUT_INVALID", { what: tool.name, problems: checked.problems });
    return jsonOf({ success: true, ...(await tool.run(checked.value, { system: await open(), signal })) });
  } catch (error) {
    const { message, code } = toWireError(error);
    return {
      success: false,
      error: message,
      code,
      retryable: isFault(error) && error.retryable,
      ...echoOf(tool, args),
    };
  }
}

/** Only texts: what is wrong about an argument may be that it is something else, of any size. */
function echoOf(tool: Tool, args: unknown): Record<string, string> {
  const given = (typeof args === "object" ? args : null) as Record<string, unknown> | null;
  const texts = tool.echo
    .map((name) => [name, given?.[name]] as const)
    .filter(([, value]) => typeof value === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** What JSON has no word for is put into one: large whole numbers as digits, bytes as base64, references by their hash. */
function jsonOf(answer: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(answer, (_key, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    return value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value;
  });
  return JSON.parse(text) as Record<string, unknown>;
}
