import type { StepState, WorkflowDefinition } from "../../../src/workflow/workflow.protocol.ts";
import type { Fate } from "./definitions.ts";

/** Something that happened to a run, in the order in which it happened. */
export type Happening =
  { readonly what: "cancel" } | { readonly what: "hit" | "miss" | Fate; readonly stepId: string };

export interface ReferenceRun {
  readonly state: "running" | "cancelling" | "completed" | "failed" | "cancelled";
  readonly states: Readonly<Record<string, StepState>>;
  /** Steps whose task has been asked for. */
  readonly submitted: readonly string[];
  /** Steps for which the cache has been asked. */
  readonly lookedUp: readonly string[];
}

/**
 * What a run has come to, said as simply as possible: after each happening every rule is tried on every step until
 * none applies. No graph, no counters, no table; slow and obvious.
 */
export function referenceRun(definition: WorkflowDefinition, happenings: readonly Happening[]): ReferenceRun {
  const { steps, onFailure } = definition;
  const states = new Map<string, StepState>(steps.map(({ stepId }) => [stepId, "pending"]));
  const submitted = new Set<string>();
  const lookedUp = new Set<string>();
  let stopped = "no" as "no" | "failure" | "cancel";

  const stateOf = (id: string): StepState => states.get(id) ?? "pending";
  const isOpen = (id: string): boolean => ["pending", "ready"].includes(stateOf(id));
  const endedBadly = (id: string): boolean => ["failed", "cancelled"].includes(stateOf(id));
  const isDone = (id: string): boolean =>
    stateOf(id) === "completed" || (onFailure === "ignore" && endedBadly(id));

  const stop = (why: "failure" | "cancel"): void => {
    stopped = why;
    for (const { stepId } of steps)
      if (isOpen(stepId) && !submitted.has(stepId)) states.set(stepId, "cancelled");
  };

  const applyRules = (): void => {
    for (let changed = true; changed;) {
      changed = false;
      for (const { stepId, dependsOn, inputs, cacheTtlMs } of steps) {
        if (stateOf(stepId) !== "pending" || stopped !== "no") continue;
        const isDoomed = dependsOn.some((id) => endedBadly(id) || stateOf(id) === "skipped");
        if (onFailure === "skip_dependents" && isDoomed) states.set(stepId, "skipped");
        else if (!dependsOn.every(isDone)) continue;
        else if (
          steps.some(
            (other) =>
              JSON.stringify(inputs).includes(`steps.${other.stepId}.`) &&
              stateOf(other.stepId) !== "completed",
          )
        )
          states.set(stepId, "failed");
        else {
          states.set(stepId, "ready");
          if (cacheTtlMs === undefined) submitted.add(stepId);
          else lookedUp.add(stepId);
        }
        changed = true;
      }
    }
  };

  applyRules();
  for (const happening of happenings) {
    if (happening.what === "cancel") stop("cancel");
    else if (happening.what === "miss") submitted.add(happening.stepId);
    else states.set(happening.stepId, happening.what === "hit" ? "completed" : happening.what);
    const isBad = happening.what === "failed" || happening.what === "cancelled";
    if (isBad && stopped === "no" && onFailure === "fail_fast") stop("failure");
    applyRules();
  }

  const isOver = steps.every(({ stepId }) => !isOpen(stepId));
  const failed = onFailure !== "ignore" && steps.some(({ stepId }) => endedBadly(stepId));
  const end = stopped === "cancel" ? "cancelled" : failed ? "failed" : "completed";
  return {
    state: isOver ? end : stopped === "cancel" ? "cancelling" : "running",
    states: Object.fromEntries(states),
    submitted: [...submitted],
    lookedUp: [...lookedUp],
  };
}
