import { defineTasks, handler, type Tasks } from "../compute/define-tasks.ts";
import type { TaskContext } from "../compute/index.ts";
import { fault } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import { openSystem } from "../system/open-system.ts";
import type { Tool } from "./tool.ts";

/** The handler that runs a tool on its thread. */
export const TOOL_ACTION = "mcplusplus.tool";

/** What that handler knows: it stands in the URL of its module, so that no task can say otherwise. */
export interface ComputeSetup {
  /** Of the data directory, which the thread attaches to. */
  readonly data: string;
  /** Names of the tools that it runs, and no others. */
  readonly tools: readonly string[];
  /** Files that define those of the user. */
  readonly modules: readonly string[];
}

const NOTHING: ComputeSetup = { data: "", tools: [], modules: [] };

/**
 * The tasks of a thread that runs tools: it attaches to the data directory when the first call comes, and stays attached
 * as long as it lives.
 *
 * @param url of the module, with its setup
 */
export function toolTasks(url: string): Tasks {
  const text = new URL(url).searchParams.get("setup");
  const setup = text === null ? NOTHING : (JSON.parse(text) as ComputeSetup);
  const toolOf = toolsOf(setup);
  const opened = attachedTo(setup);
  return defineTasks({
    [TOOL_ACTION]: handler({
      description: "Runs a tool of the server whose runtime is compute.",
      // Nobody else's code may hold it up, and it is never begun twice.
      isolation: "thread",
      async run(input, { signal, progress, traceparent }: TaskContext) {
        const { tool: name, args } = (input ?? {}) as { readonly tool?: unknown; readonly args?: unknown };
        const tool = await toolOf(name);
        const checked = await tool.input.check(args, (place) => place);
        if (checked.problems) throw fault("INPUT_INVALID", { what: tool.name, problems: checked.problems });
        const system = await opened();
        // Those of the server are in another thread.
        const { TemplateRegistry } = await import("../workflow/template.ts");
        const templates = new TemplateRegistry();
        return tool.run(checked.value, { system, templates, signal, traceparent, report: progress });
      },
    }),
  });
}

function toolsOf({ tools, modules }: ComputeSetup): (name: unknown) => Promise<Tool> {
  let loaded: Promise<readonly Tool[]> | undefined;
  return async (name) => {
    const known = tools.find((each) => each === name);
    if (known === undefined) throw fault("UNKNOWN_NAME", { kind: "tool", name: String(name), known: tools });
    // Only here: a thread that runs no tool does without.
    const [{ TOOLS }, { loadTools }] = await Promise.all([
      import("./toolsets.ts"),
      import("./tool-modules.ts"),
    ]);
    const own = await (loaded ??= loadTools(modules));
    const tool = [...TOOLS, ...own].find((each) => each.name === known);
    if (tool === undefined) throw fault("UNKNOWN_NAME", { kind: "tool", name: known, known: tools });
    return tool;
  };
}

/** One system for all calls; after it has failed, the next call opens another. */
function attachedTo({ data }: ComputeSetup): () => Promise<System> {
  let attempt: Promise<System> | undefined;
  return () => {
    if (attempt !== undefined) return attempt;
    const begun = openSystem({ data, attach: true, threads: 1 });
    const forget = (): void => {
      if (attempt === begun) attempt = undefined;
    };
    begun.then(({ failed }) => failed.catch(forget), forget);
    return (attempt = begun);
  };
}
