import type { z } from "../../schema/zod-schema.ts";
import type { StandardSchema } from "../../schema/index.ts";
import type { BuiltIn } from "../built-in.protocol.ts";
import { handler, type Handler } from "../define-tasks.ts";
import type { TaskContext } from "../task-context.ts";

/** What built-in actions are given beside their context, the same for all attempts of a thread. */
export interface ActionServices {
  /** What `parseHostRules` takes. */
  readonly allowedHosts: readonly string[];
}

/** A built-in action with schemas. Its module is loaded when it is first called, and its packages with it. */
export interface Action {
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  readonly run: (input: unknown, context: TaskContext, services: ActionServices) => unknown;
}

/** The types of `run` follow from the schemas. */
export function action<Input extends z.ZodType, Output extends z.ZodType>(definition: {
  readonly input: Input;
  readonly output: Output;
  run(
    input: z.output<Input>,
    context: TaskContext,
    services: ActionServices,
  ): z.input<Output> | Promise<z.input<Output>>;
}): Action {
  const { input, output } = definition;
  // Its input is checked before it is called.
  return { input, output, run: definition.run.bind(definition) as Action["run"] };
}

/** The handler of an action whose code waits to be needed: most threads never call it. */
export function onDemand(
  { description, isolation, cpuMs }: BuiltIn,
  load: () => Promise<{ readonly default: Action }>,
  services: ActionServices,
): Handler {
  return handler({
    description,
    isolation,
    ...(cpuMs !== undefined && { cpuMs }),
    input: schemaOf(load, "input"),
    output: schemaOf(load, "output"),
    run: async (input, context) => (await load()).default.run(input, context, services),
  });
}

function schemaOf(
  load: () => Promise<{ readonly default: Action }>,
  side: "input" | "output",
): StandardSchema {
  const validate: StandardSchema["~standard"]["validate"] = async (value) => {
    const { default: loaded } = await load();
    const { check } = await import("../../schema/zod-schema.ts");
    const checked = check(loaded[side], value);
    if (checked.problems === undefined) return { value: checked.value };
    return { issues: checked.problems.map((message) => ({ message })) };
  };
  return { "~standard": { version: 1, vendor: "mcplusplus", validate } };
}
