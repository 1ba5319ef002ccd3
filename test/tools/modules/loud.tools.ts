import { defineTool } from "mcplusplus/tools";

console.log("a module that prints while it is loaded");
process.stdout.write("and writes\n");

export const shout = defineTool({
  name: "shout",
  description: "Says it loudly, and prints it too.",
  input: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  hints: { readOnlyHint: true },
  run({ text }) {
    console.log(text);
    return { text: String(text).toUpperCase() };
  },
});
