import { defineTool } from "mcplusplus/tools";

export default defineTool({
  name: "task_list",
  description: "Has a name of the package.",
  input: { type: "object" },
  run: () => undefined,
});
