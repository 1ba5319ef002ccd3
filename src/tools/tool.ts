import { toolMetadata, type RoutedTool, type ToolMetadata, type ToolMetadataInput } from "../router/index.ts";
import type { z } from "../schema/zod-schema.ts";
import type { System } from "../system/index.ts";
import type { TemplateRegistry } from "../workflow/template.ts";
import { zodAnswer, zodArguments, type AnswerSchema, type ArgumentSchema } from "./tool-schema.ts";
import type { Words } from "./words.ts";

export type { ToolMetadata };

/** What a client may assume about a call before it makes it. All four are always given. */
export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface ToolCall {
  readonly system: System;
  readonly templates: TemplateRegistry;
  /** Aborts when the caller gives up, or the tool's time is over. */
  readonly signal: AbortSignal;
  /**
   * W3C trace context of the caller, to be handed on to whatever the call causes; absent: it has said nothing of one.
   *
   * @see https://www.w3.org/TR/trace-context/
   */
  readonly traceparent?: string | undefined;
  /** Tells the caller how far the call is, from 0 to 1; absent: nobody listens. */
  readonly report?: (fraction: number, message: string) => void;
}

/** A thin face of the system: it checks, maps and names. It holds no logic. */
export interface Tool extends RoutedTool {
  readonly title: string;
  readonly input: ArgumentSchema;
  readonly output: AnswerSchema;
  readonly hints: ToolHints;
  /** Arguments that a failure repeats, so that the caller knows what it is about. */
  readonly echo: readonly string[];
  /** How long the arguments say that the call waits, in milliseconds: it has at least that much time. */
  waitsMs?(args: Record<string, unknown>): number;
  /** Throws what makes the call wrong and is known without a system. */
  refuse?(args: Record<string, unknown>, words: Words): void;
  /** Of a tool whose calls are to be confirmed: what this one would do, in a sentence. Changes nothing. */
  preview?(args: Record<string, unknown>, call: ToolCall): Promise<string>;
  /** What an answer says beside its failure when something that the tool needs is switched off. */
  degraded?(args: unknown): Record<string, unknown>;
  run(args: Record<string, unknown>, call: ToolCall): Promise<Record<string, unknown>>;
}

/** A tool of ours as it is written: what its metadata leave out has the default. */
interface ToolDefinition<I extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  readonly output: z.ZodObject;
  readonly hints: ToolHints;
  readonly metadata?: ToolMetadataInput;
  readonly echo: readonly (keyof z.output<I> & string)[];
  waitsMs?(args: z.output<I>): number;
  refuse?(args: z.output<I>, words: Words): void;
  preview?(args: z.output<I>, call: ToolCall): Promise<string>;
  degraded?(args: unknown): Record<string, unknown>;
  run(args: z.output<I>, call: ToolCall): Promise<Record<string, unknown>>;
}

export function defineTool<I extends z.ZodObject>(tool: ToolDefinition<I>): Tool {
  const { name, hints } = tool;
  const metadata = toolMetadata(name, { idempotent: hints.idempotentHint, ...tool.metadata });
  // The caller of `run` has checked its arguments against `input`, whatever that is.
  const schemas = { input: zodArguments(tool.input), output: zodAnswer(tool.output) };
  return Object.freeze({ ...tool, ...schemas, metadata } as Tool);
}

/** The JSON Schema of a tool's arguments, as a client is told it. */
export const inputSchemaOf = (tool: Tool): Record<string, unknown> => tool.input.json();

/** Likewise of its answers, failures included. */
export const answerSchemaOf = (tool: Tool): Record<string, unknown> =>
  tool.output["~standard"].jsonSchema.output();
