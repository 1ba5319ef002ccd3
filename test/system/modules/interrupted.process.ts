import { openSystem } from "mcplusplus";

/** Begins a run of three steps in the directory it is given, and waits to be killed in the middle of the second. */
const [, , directory = "", tasks = ""] = process.argv;
const system = await openSystem({ data: `${directory}/data`, tasks: [tasks], roots: [directory] });
const step = (stepId: string, action: string, ...dependsOn: string[]) => ({
  stepId,
  action,
  inputs: { log: "log", line: stepId, ...(action === "wait_for" && { file: "go" }) },
  dependsOn,
});
const steps = [step("first", "note"), step("second", "wait_for", "first"), step("third", "note", "second")];
await system.submit({ workflowId: "w", steps });
for await (const event of system.watch("w")) {
  if (event.step?.stepId === "second" && event.step.state === "running")
    process.stdout.write("in the middle\n");
}
