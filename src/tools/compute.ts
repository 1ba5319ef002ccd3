import { workerModule } from "../actor/index.ts";
import { Reference, packValue, unpackValue } from "../codec/index.ts";
import { fault, isFault } from "../errors/index.ts";
import { decidedRuntime } from "../router/index.ts";
import { TOOL_ACTION, type ComputeSetup } from "./tool-runner.ts";
import type { Tool, ToolCall } from "./tool.ts";

/**
 * The module of handlers that a system needs for those of the tools that run on `compute`; none, when none of them does.
 *
 * @param data of the system
 */
export function computeTasks(tools: readonly Tool[], data: string): readonly URL[] {
  const computing = tools.filter(({ metadata }) => decidedRuntime(metadata) === "compute");
  if (computing.length === 0) return [];
  const modules = new Set(computing.flatMap(({ module }) => module ?? []));
  const setup: ComputeSetup = { data, tools: computing.map(({ name }) => name), modules: [...modules] };
  const url = workerModule("tool.tasks");
  url.searchParams.set("setup", JSON.stringify(setup));
  return [url];
}

/**
 * Runs a tool on a thread of the queue's pool, as no task: nothing of it is on disk, and nobody repeats it.
 *
 * @param args as they came; they are checked once more where they are used
 * @throws UNAVAILABLE, also where the system was opened without `computeTasks`; what the tool throws
 */
export async function runOnThread(
  { name }: Tool,
  args: unknown,
  { system, signal, traceparent }: Pick<ToolCall, "system" | "signal" | "traceparent">,
): Promise<Record<string, unknown>> {
  const input = packValue({ tool: name, args });
  const { queue } = system.actors;
  try {
    // The signal carries the deadline of the call.
    const { output } = await queue.call.compute(
      { action: TOOL_ACTION, input },
      { signal, timeoutMs: Infinity, ...(traceparent !== undefined && { traceparent }) },
    );
    const value = unpackValue(output);
    return (value instanceof Reference ? await system.load(value) : value) as Record<string, unknown>;
  } catch (error) {
    if (!isFault(error, "UNKNOWN_ACTION")) throw error;
    const why = "the process that owns the data directory was started without the tools that run on it";
    throw fault("UNAVAILABLE", { what: "the runtime compute", why }, { cause: error });
  }
}
