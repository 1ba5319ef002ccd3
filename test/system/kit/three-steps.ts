const step = (stepId: string, action: string, ...dependsOn: string[]) => ({
  stepId,
  action,
  inputs: { log: "log", line: stepId, ...(action === "wait_for" && { file: "go" }) },
  dependsOn,
});

/** A chain whose second step waits for the file `go`; each writes its name to `log`. Actions of `steps.tasks.ts`. */
export const THREE_STEPS = [
  step("first", "note"),
  step("second", "wait_for", "first"),
  step("third", "note", "second"),
];
