import { defineTool } from "mcplusplus/tools";

export const add = defineTool({
  name: "add",
  description: "Adds.",
  input: { type: "object", properties: { numbers: { type: "array", items: { type: "number" } } } },
  run: ({ numbers = [] }) => ({ sum: (numbers as number[]).reduce((sum, each) => sum + each, 0) }),
});
const count = defineTool({
  name: "count",
  description: "Counts.",
  input: { type: "object" },
  run: () => undefined,
});
/** The same tool under two names is one. */
export default [count, add];
