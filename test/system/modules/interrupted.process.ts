import { openSystem } from "mcplusplus";
import { THREE_STEPS } from "../kit/three-steps.ts";

/** Begins a run of three steps in the directory it is given, and waits to be killed in the middle of the second. */
const [, , directory = "", tasks = ""] = process.argv;
const system = await openSystem({ data: `${directory}/data`, tasks: [tasks], roots: [directory] });
await system.submit({ workflowId: "w", steps: THREE_STEPS });
for await (const event of system.watch("w")) {
  if (event.step?.stepId === "second" && event.step.state === "running")
    process.stdout.write("in the middle\n");
}
