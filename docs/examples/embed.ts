import { openSystem } from "mcplusplus";
import { Counter } from "./counter.protocol.ts";

/** The system inside a program of one's own: an actor, a workflow, and a workflow that is cancelled. */

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

// In memory, for this example: with a directory instead of null, runs and their results survive the process.
await using system = await openSystem({ data: null, tasks: [new URL("./embed.tasks.ts", import.meta.url)] });

// An actor of one's own, on its own thread, restarted when it crashes.
const counter = await system.spawn(Counter, {
  module: new URL("./counter.actor.ts", import.meta.url).href,
  init: { limit: 100 },
});
const overflows = counter.on.overflowed();
await counter.call.add({ by: 70 });
await counter.call.add({ by: 50 });
for await (const { total } of overflows) {
  print(`the counter overflowed at ${total}`);
  break; // leaving the loop ends the subscription
}

// A workflow: both halves are counted at the same time, then added.
const { status, outputs } = await system.run({
  workflowId: "primes",
  steps: [
    { stepId: "lower", action: "count_primes", inputs: { from: 0, to: 50_000 } },
    { stepId: "upper", action: "count_primes", inputs: { from: 50_000, to: 100_000 } },
    {
      stepId: "total",
      action: "add",
      inputs: { numbers: ["${{ steps.lower.output.primes }}", "${{ steps.upper.output.primes }}"] },
      dependsOn: ["lower", "upper"],
    },
  ],
});
print(`${status.workflowId} ${status.state}: ${JSON.stringify(outputs["total"])}`);

// One that would take years, stopped as soon as it is under way; when `cancel` resolves nothing of it runs any more.
await system.submit({
  workflowId: "endless",
  steps: [{ stepId: "all", action: "count_primes", inputs: { from: 0, to: Number.MAX_SAFE_INTEGER } }],
});
for await (const { step } of system.watch("endless")) if (step?.state === "running") break;
const stopped = await system.cancel("endless", { reason: "it has been seen running" });
print(`${stopped.workflowId} ${stopped.state}: ${stopped.error?.message ?? ""}`);
