// A user's program: it sees the package by its name only, opens a system on its own threads, and leaves nothing behind.
import { openSystem } from "mcplusplus";
import { TemplateRegistry } from "mcplusplus/templates";

{
  await using system = await openSystem({ data: "data" });
  if (system === undefined) throw new Error("openSystem gave nothing");
  if (new TemplateRegistry().list().length > 0) throw new Error("a new registry holds something");
}
process.stdout.write("embedded: done\n");
