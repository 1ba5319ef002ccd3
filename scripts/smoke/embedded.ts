// A user's program: it sees the package by its name only, opens a system on its own threads, and leaves nothing behind.
import { openSystem } from "mcplusplus";
import { TemplateRegistry } from "mcplusplus/templates";
import { defineTool } from "mcplusplus/tools";

{
  await using system = await openSystem({ data: "data" });
  if (system === undefined) throw new Error("openSystem gave nothing");
  if (new TemplateRegistry().list().length > 0) throw new Error("a new registry holds something");
  const input = { type: "object" } as const;
  const tool = defineTool({ name: "t", description: "Nothing.", input, run: () => ({}) });
  if (tool.name !== "t") throw new Error("defineTool gave another tool");
}
process.stdout.write("embedded: done\n");
