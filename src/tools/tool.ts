import { LIMITS, fault, isFault, toWireError } from "../errors/index.ts";
import { findNonWire } from "../schema/index.ts";
import { check, toInputSchema, type z } from "../schema/zod-schema.ts";
import { failAfter } from "../scope/index.ts";
import type { System } from "../system/index.ts";
import { TemplateRegistry } from "../workflow/template.ts";
import { inWords, wordsOf, type Words } from "./words.ts";

/** What a client may assume about a call before it makes it. All four are always given. */
export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

/** How a call is carried out. */
export interface ToolMetadata {
  /** Tools of one category are listed and measured together. */
  readonly category: string;
  /**
   * Where it runs: `general` on the host's event loop, `p2p` on the thread of the actor that owns what it is about,
   * `compute` in the queue's pool, `auto` where the router finds best.
   */
  readonly runtime: "general" | "p2p" | "compute" | "auto";
  /** 0 to 10; a higher number matters more. */
  readonly priority: number;
  /** How long a call may take, unless its arguments say that it waits longer. */
  readonly timeoutMs: number;
  /** Whether a call that failed in a way that may pass is made again, and how the pauses grow. */
  readonly retryPolicy: "none" | "linear" | "exponential";
  /** Works on a peer's data only. */
  readonly requiresPeers: boolean;
  readonly ioIntensive: boolean;
  readonly cpuIntensive: boolean;
  readonly memoryIntensive: boolean;
}

const METADATA: ToolMetadata = {
  category: "general",
  runtime: "auto",
  priority: 5,
  timeoutMs: 30_000,
  retryPolicy: "none",
  requiresPeers: false,
  ioIntensive: false,
  cpuIntensive: false,
  memoryIntensive: false,
};

export interface ToolCall {
  readonly system: System;
  readonly templates: TemplateRegistry;
  /** Aborts when the caller gives up, or the tool's time is over. */
  readonly signal: AbortSignal;
}

/** Where a call comes from: the system is opened for it when its arguments are right. */
export interface ToolCaller {
  readonly open: () => Promise<System>;
  readonly signal: AbortSignal;
  /** Those that the tools of templates are about; default: none. */
  readonly templates?: TemplateRegistry;
  /** In which refusals are told; default: those of a client. */
  readonly words?: Words;
}

/** A thin face of the system: it checks, maps and names. It holds no logic. */
export interface Tool<I extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  readonly output: z.ZodObject;
  readonly hints: ToolHints;
  readonly metadata: ToolMetadata;
  /** Arguments that a failure repeats, so that the caller knows what it is about. */
  readonly echo: readonly (keyof z.output<I> & string)[];
  /** How long the arguments say that the call waits, in milliseconds: it has at least that much time. */
  waitsMs?(args: z.output<I>): number;
  /** Throws what makes the call wrong and is known without a system. */
  refuse?(args: z.output<I>, words: Words): void;
  run(args: z.output<I>, call: ToolCall): Promise<Record<string, unknown>>;
}

/** A tool as it is written: what its metadata leave out has the default. */
type ToolDefinition<I extends z.ZodObject> = Omit<Tool<I>, "metadata"> & {
  readonly metadata?: Partial<ToolMetadata>;
};

export function defineTool<I extends z.ZodObject>(tool: ToolDefinition<I>): Tool {
  // The caller of `run` has checked its arguments against `input`, whatever that is.
  return Object.freeze({ ...tool, metadata: Object.freeze({ ...METADATA, ...tool.metadata }) });
}

/** The JSON Schema of a tool's arguments, as a client is told it. */
export const inputSchemaOf = (tool: Tool): Record<string, unknown> => toInputSchema(tool.input);

const NO_TEMPLATES = new TemplateRegistry();

/** What the answer may take beyond the wait that the arguments ask for. */
const MARGIN_MS = 5_000;

/**
 * Carries out a call. Never throws: what went wrong is the answer, in the one shape that every tool has for it.
 *
 * @param args as they came; they are checked here
 * @returns plain JSON
 */
export async function callTool(
  tool: Tool,
  args: unknown,
  { open, signal, templates = NO_TEMPLATES, words = wordsOf(tool) }: ToolCaller,
): Promise<Record<string, unknown>> {
  try {
    const found = findNonWire(args, ARGUMENTS);
    if (found !== undefined)
      throw fault("INPUT_INVALID", { what: words.what, problems: [`it holds ${found}`] });
    const checked = check(tool.input, args ?? {}, "", words.nameOf);
    if (checked.problems) throw fault("INPUT_INVALID", { what: words.what, problems: checked.problems });
    const { value } = checked;
    tool.refuse?.(value, words);
    const system = await open();
    const waitsMs = tool.waitsMs ? tool.waitsMs(value) + MARGIN_MS : 0;
    const timeoutMs = Math.max(tool.metadata.timeoutMs, waitsMs);
    // What was done in spite of a passed limit is told as done, not as late.
    const run = (scope: { readonly signal: AbortSignal }): Promise<Record<string, unknown>> =>
      tool.run(value, { system, templates, signal: scope.signal });
    return jsonOf({ success: true, ...(await failAfter(timeoutMs, run, { signal, name: tool.name })) });
  } catch (error) {
    const { message, code } = toWireError(inWords(error, words));
    return {
      success: false,
      error: message,
      code,
      retryable: isFault(error) && error.retryable,
      ...echoOf(tool, args),
    };
  }
}

/** Levels around the deepest value that they may hold, such as `steps[0].inputs`. */
const ARGUMENTS = { depthMax: LIMITS.schema.wireDepth + 4 };

/** Only texts: what is wrong about an argument may be that it is something else, or longer than any id. */
function echoOf(tool: Tool, args: unknown): Record<string, string> {
  const given = (typeof args === "object" ? args : null) as Record<string, unknown> | null;
  const texts = tool.echo
    .map((name) => [name, given?.[name]] as const)
    .filter(([, value]) => typeof value === "string" && value.length <= LIMITS.queue.nameChars);
  return Object.fromEntries(texts) as Record<string, string>;
}

/**
 * What JSON has no word for is put into one: large whole numbers as digits, NaN and infinities by their names, bytes as
 * base64, references by their hash.
 */
function jsonOf(answer: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(answer, (_key, value: unknown) => {
    if (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)))
      return String(value);
    return value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value;
  });
  return JSON.parse(text) as Record<string, unknown>;
}
