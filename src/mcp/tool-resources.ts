import { resourceUri } from "./resource-uri.ts";

/** Where the whole of what a tool answers can be read, by its name. */
const WHOLE: Readonly<Record<string, (...ids: readonly string[]) => string>> = {
  workflow_status: (run = "") => resourceUri("runs", run),
  workflow_result: (run = "") => resourceUri("runs", run, "result"),
  workflow_dependencies: (run = "") => resourceUri("runs", run, "dag.json"),
  run_logs: (run = "", step = "") => resourceUri("runs", run, "logs", step),
  task_status: (task = "") => resourceUri("tasks", task),
  task_result: (task = "") => resourceUri("tasks", task, "output"),
};

const IDS = ["workflow_id", "step_id", "task_id"] as const;

/** Undefined: it is a page of a list, or nothing more than what is told. */
export function resourceOfAnswer(tool: string, args: Readonly<Record<string, unknown>>): string | undefined {
  const ids = IDS.map((name) => args[name]).filter((id) => typeof id === "string");
  return Object.hasOwn(WHOLE, tool) ? WHOLE[tool]?.(...ids) : undefined;
}
