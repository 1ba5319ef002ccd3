// A user's program: it sees the package by its name only, opens a system on its own threads, and leaves nothing behind.
import { openSystem } from "mcplusplus";

{
  await using system = await openSystem({ data: "data" });
  if (system === undefined) throw new Error("openSystem gave nothing");
}
process.stdout.write("embedded: done\n");
