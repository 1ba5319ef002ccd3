import { resolve } from "node:path";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import type { Handler } from "../../src/compute/define-tasks.ts";
import type { TaskContext } from "../../src/compute/index.ts";
import { validate, type Wire } from "../../src/schema/index.ts";
import { resolveInputs } from "../../src/workflow/reference.ts";
import template from "../../docs/examples/flights.json" with { type: "json" };
import tasks from "../../docs/examples/flights.tasks.ts";

/** Runs the example's template step by step in this thread: parameters, references and schemas as the template says. */

const ROOT = resolve(import.meta.dirname, "../..");

export interface FlightsJob {
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly written: ReadonlyMap<string, string>;
  readonly progress: readonly number[];
}

export interface JobOptions {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly context?: Partial<TaskContext>;
  /** Called before each step. */
  readonly beforeStep?: (stepId: string) => void | Promise<void>;
}

export const steps = template.steps;

export async function runFlightsJob({
  parameters = {},
  context = {},
  beforeStep,
}: JobOptions = {}): Promise<FlightsJob> {
  const values = new Map(
    template.parameters.map(({ name, default: value }) => [name, parameters[name] ?? value]),
  );
  const outputs: Record<string, unknown> = {};
  const written = new Map<string, string>();
  const progress: number[] = [];
  const given: TaskContext = {
    taskId: "flights",
    attempt: 1,
    signal: new AbortController().signal,
    checkpoint: () => {},
    progress: (fraction) => void progress.push(fraction),
    log: () => {},
    // What is kept comes back as a value in the step that refers to it, so here it never leaves.
    keep: (value) => Promise.resolve(value as Awaited<ReturnType<TaskContext["keep"]>>),
    path: (path) => resolve(ROOT, path),
    writeFile: (path, content) => Promise.resolve(void written.set(path, String(content))),
    ...context,
  };
  for (const step of steps) {
    await beforeStep?.(step.step_id);
    const sources = { outputOf: (id: string) => ({ value: outputs[id] }), item: null };
    const inputs = resolveInputs(step.step_id, withParameters(step.inputs, values), sources);
    // Through the codec, since that is how a value reaches the next step.
    outputs[step.step_id] = unpackValue(packValue(await runHandler(step.action, inputs, given)));
  }
  return { outputs, written, progress };
}

/** `${name}` in any string; references between steps have two braces and are left alone. */
function withParameters(inputs: Wire, values: ReadonlyMap<string, string>): Wire {
  const text = JSON.stringify(inputs).replace(
    /\$\{(\w+)\}/g,
    (_, name: string) => values.get(name) ?? `no ${name}`,
  );
  return JSON.parse(text) as Wire;
}

async function runHandler(action: string, inputs: unknown, context: TaskContext): Promise<unknown> {
  const handler: Handler | undefined = tasks.handlers[action];
  const schema = handler?.input ?? null;
  if (handler === undefined || schema === null) throw new Error(`no handler ${action} with an input schema`);
  const checked = await validate(schema, inputs, "inputs");
  if (checked.problems !== undefined) throw new Error(checked.problems.join("; "));
  return handler.run(checked.value, context);
}
