import { isFault, toWireError } from "../errors/index.ts";
import type { z } from "../schema/zod-schema.ts";
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
  return Object.freeze(tool) as unknown as Tool;
}

/**
 * Carries out a call. Never throws: what went wrong is the answer, in the one shape that every tool has for it.
 */
export async function callTool(tool: Tool, args: Record<string, unknown>, call: ToolCall): Promise<Record<string, unknown>> {
  try {
    return { success: true, ...(await tool.run(args, call)) };
  } catch (error) {
    const { message, code } = toWireError(error);
    const echoed = Object.fromEntries(tool.echo.map((name) => [name, args[name]]));
    return { success: false, error: message, code, retryable: isFault(error) && error.retryable, ...echoed };
  }
}
