import type { CompleteResult } from "@modelcontextprotocol/server";
import { LIMITS } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import type { ClientRequest } from "./client-request.ts";
import type { ToolServices } from "./tool-services.ts";

/** What an argument of a prompt, or an id in an address, is the name of. */
type Named = "workflow_id" | "task_id" | "step_id" | "template_id" | "action";

const isNamed = (name: string): name is Named => Object.hasOwn(NAMES, name);

/** The names that there are, those that are most likely meant first. */
const NAMES: Readonly<
  Record<Named, (system: System, services: ToolServices, workflowId?: string) => Promise<string[]>>
> = {
  workflow_id: async (system) => {
    const { runs } = await newest((page) => system.list(page), "runs");
    return runs.map(({ workflowId }) => workflowId);
  },
  task_id: async (system) => {
    const { tasks } = await newest((page) => system.tasks.list(page), "tasks");
    return tasks.map(({ taskId }) => taskId);
  },
  step_id: async (system, _, workflowId) =>
    workflowId === undefined ? [] : (await system.status(workflowId)).steps.map(({ stepId }) => stepId),
  template_id: async (_, { templates }) => [
    ...new Set(templates?.list().map(({ templateId }) => templateId)),
  ],
  action: async (system) => (await system.actions()).map(({ name }) => name),
};

/** The last page of a list, the newest first. */
async function newest<K extends string, I>(
  list: (page: { offset: number; limit: number }) => Promise<Record<K, I[]> & { total: number }>,
  key: K,
): Promise<Record<K, I[]>> {
  const limit = LIMITS.lists.pageItems;
  const first = await list({ offset: 0, limit });
  const last = first.total > limit ? await list({ offset: first.total - limit, limit }) : first;
  return { [key]: last[key].toReversed() } as Record<K, I[]>;
}

/**
 * What the beginning of an argument may become: at most 100 of the newest 1,000 names. What is no name of ours has no
 * completion; nothing that goes wrong is an error, since a person is typing.
 *
 * @param context arguments that are there already
 */
export async function completionsFor(
  { name, value }: { readonly name: string; readonly value: string },
  context: Readonly<Record<string, string>>,
  services: ToolServices,
  { signal }: ClientRequest,
): Promise<CompleteResult> {
  const found = isNamed(name) ? await namesOf(name, context, services, signal) : [];
  const fitting = found.filter((each) => each.startsWith(value));
  const values = fitting.slice(0, LIMITS.mcp.completions);
  return { completion: { values, total: fitting.length, hasMore: fitting.length > values.length } };
}

async function namesOf(
  name: Named,
  context: Readonly<Record<string, string>>,
  services: ToolServices,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    const system = await services.door.opened(signal);
    return await NAMES[name](system, services, context["workflow_id"]);
  } catch {
    return [];
  }
}
