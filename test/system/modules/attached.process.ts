import { once } from "node:events";
import { openSystem } from "mcplusplus";

/** Has the directory it is given open, with others if they like, until its input ends or it is killed. */
const [, , data = "", tasks = ""] = process.argv;
const roots = [`${data}/..`];
const system = await openSystem({ data, attach: true, threads: 1, tasks: [tasks], roots, graceMs: 0 });
process.stdout.write(`${system.role}\n`);
await once(process.stdin.resume(), "end");
await system.close();
