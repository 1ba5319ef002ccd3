import { defineTool } from "mcplusplus/tools";

/** Does nothing, through all of our server. */
export const noop = defineTool({
  name: "noop",
  title: "No operation",
  description: "Does nothing.",
  input: { type: "object", properties: {}, additionalProperties: false },
  output: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: async () => ({ ok: true }),
});
