import { LIMITS, fault, isCancellation, isFault, sentenceOf } from "../errors/index.ts";
import { toolMetadata, type ToolMetadataInput } from "../router/index.ts";
import {
  checkFunction,
  checkKeys,
  checkName,
  checkTexts,
  findNonWire,
  invalidArgument,
  shortText,
  type StandardSchema,
} from "../schema/index.ts";
import { ownAnswers, ownArguments, type SchemaInput } from "./own-schema.ts";
import type { Tool, ToolCall, ToolHints } from "./tool.ts";

/** `Symbol.for` survives two copies of this package in one process. */
const TOOL = Symbol.for("mcplusplus.tool");

const NAME = /^[a-z][a-z0-9_]{0,39}$/;

/** What the arguments are once they have been checked. */
type ArgumentsOf<I> = I extends StandardSchema<unknown, infer Output> ? Output : Record<string, unknown>;

export interface OwnToolDefinition<I extends SchemaInput, O extends SchemaInput> {
  /** 1 to 40 of `a` to `z`, `0` to `9` and `_`, beginning with a letter; none that the package has. */
  readonly name: string;
  /** For people; default: the name. */
  readonly title?: string;
  /** For whoever decides whether to call it: what it does, and what it answers. */
  readonly description: string;
  /** What it takes: an object. What the schema does not name is refused. */
  readonly input: I;
  /** What it gives; default: any object. */
  readonly output?: O;
  /** What is left out is assumed to be the worst: it changes and destroys, not twice the same, anywhere. */
  readonly hints?: Partial<ToolHints>;
  /** How its calls are carried out. */
  readonly metadata?: ToolMetadataInput;
  /** Arguments that a failure repeats, such as ids. */
  readonly echo?: readonly (keyof ArgumentsOf<I> & string)[];
  /** How long the arguments say that a call waits, in milliseconds: it has at least that much time. */
  waitsMs?(args: ArgumentsOf<I>): number;
  /**
   * Does it. What it gives is told with `success: true`; a fault that it throws is told with its code, anything else as
   * `HANDLER_FAILED`. Unless its runtime is `compute` it runs on the event loop of the server, which is then busy with it.
   */
  run(args: ArgumentsOf<I>, call: ToolCall): Promise<ResultOf<O>> | ResultOf<O>;
}

/** What `run` returns: what the schema of the results takes. */
type ResultOf<O> = O extends StandardSchema<infer Input, unknown> ? Input : Record<string, unknown> | void;

const FIELDS = [
  "name",
  "title",
  "description",
  "input",
  "output",
  "hints",
  "metadata",
  "echo",
  "waitsMs",
  "run",
] as const satisfies readonly (keyof OwnToolDefinition<SchemaInput, SchemaInput>)[];

const WORST: ToolHints = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
};

/**
 * A tool of the user's own, for a module that is named with `--tools`. It is checked, routed, given its time and measured
 * like ours.
 *
 * @throws INVALID_ARGUMENT for anything that it could not be offered with
 */
export function defineOwnTool<I extends SchemaInput, O extends SchemaInput = { readonly type: "object" }>(
  definition: OwnToolDefinition<I, O>,
): Tool {
  checkKeys("the definition of a tool", definition, FIELDS);
  const { name, title = name, description, echo = [], waitsMs, run } = definition;
  if (!NAME.test(name)) {
    const allowed = "1 to 40 of a to z, 0 to 9 and _, beginning with a letter";
    throw invalidArgument("the name of a tool", shortText(name), allowed);
  }
  const argument = (field: string): string => `${field} of the tool "${name}"`;
  checkName(argument("title"), title, LIMITS.tools.titleChars);
  checkName(argument("description"), description, LIMITS.tools.descriptionChars);
  checkTexts(argument("echo"), echo);
  checkFunction(argument("run"), run);
  if (waitsMs !== undefined) checkFunction(argument("waitsMs"), waitsMs);
  const hints = hintsOf(argument("hints"), definition.hints);
  const metadata = toolMetadata(name, { idempotent: hints.idempotentHint, ...definition.metadata });
  const answers = ownAnswers(name, argument("output"), definition.output);
  const tool: Tool = {
    name,
    title,
    description,
    input: ownArguments(argument("input"), definition.input),
    output: answers.schema,
    hints,
    metadata,
    echo,
    // The caller has checked the arguments against `input`, whose type they have then.
    ...(waitsMs && { waitsMs: (args) => definition.waitsMs?.(args as ArgumentsOf<I>) ?? 0 }),
    async run(args, call) {
      const result = await resultOf(name, () => definition.run(args as ArgumentsOf<I>, call));
      const found = findNonWire(result);
      if (found !== undefined) throw fault("OUTPUT_INVALID", { what: name, problems: [`it holds ${found}`] });
      return answers.accept(result);
    },
  };
  return Object.freeze(Object.defineProperty(tool, TOOL, { value: true }));
}

/** Made by `defineOwnTool`, of any copy of this package? */
export const isOwnTool = (value: unknown): value is Tool =>
  typeof value === "object" && value !== null && Object.hasOwn(value, TOOL);

/** A tool's own faults keep their code, and what a signal did is no failure of the tool. */
async function resultOf(name: string, run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    if (isFault(error) || isCancellation(error)) throw error;
    throw fault("HANDLER_FAILED", { action: name, text: sentenceOf(error) }, { cause: error });
  }
}

function hintsOf(argument: string, given: Partial<ToolHints> = {}): ToolHints {
  checkKeys(argument, given, Object.keys(WORST));
  // What only reads destroys nothing, and is the same twice.
  const reads = given.readOnlyHint === true ? { destructiveHint: false, idempotentHint: true } : {};
  const hints = { ...WORST, ...reads, ...given };
  for (const [hint, value] of Object.entries<unknown>(hints)) {
    if (typeof value !== "boolean")
      throw invalidArgument(`${hint} in ${argument}`, shortText(value), "true or false");
  }
  if (hints.readOnlyHint && hints.destructiveHint)
    throw invalidArgument(argument, "read-only and destructive", "one of the two");
  return Object.freeze(hints);
}
