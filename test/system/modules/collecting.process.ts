import { openSystem } from "mcplusplus";

/** Collects the directory it is given, says when it begins, and waits to be killed in the middle. */
const [, , data = ""] = process.argv;
const system = await openSystem({ data, threads: 1 });
process.stdout.write("it begins\n");
await system.collect();
process.stdout.write("it has ended\n");
