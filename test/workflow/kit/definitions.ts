import * as fc from "fast-check";

import { buildDag, type Dag } from "../../../src/workflow/dag.ts";
import type {
  FailurePolicy,
  StepDefinition,
  WorkflowDefinition,
} from "../../../src/workflow/workflow.protocol.ts";

export function step(
  stepId: string,
  dependsOn: readonly string[] = [],
  more: Partial<StepDefinition> = {},
): StepDefinition {
  return { stepId, action: "echo", inputs: {}, dependsOn, ...more };
}

export function workflow(
  steps: readonly StepDefinition[],
  more: Partial<WorkflowDefinition> = {},
): WorkflowDefinition {
  return {
    workflowId: "w",
    name: "a workflow",
    steps,
    onFailure: "skip_dependents",
    priority: 1,
    tags: [],
    metadata: {},
    ...more,
  };
}

export function dagOf(definition: WorkflowDefinition): Dag {
  const built = buildDag(definition.steps);
  if (!built.ok) throw new Error(built.problems.join("; "));
  return built.dag;
}

export type Fate = "completed" | "failed" | "cancelled";

/** A random graph without cycles, in a shuffled order, some steps cached, some passing an output on. */
export const randomWorkflow = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.record({
      edges: fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: size, maxLength: size }),
      order: fc.shuffledSubarray(
        Array.from({ length: size }, (_, at) => at),
        { minLength: size, maxLength: size },
      ),
      cached: fc.array(fc.boolean(), { minLength: size, maxLength: size }),
      reads: fc.array(fc.boolean(), { minLength: size, maxLength: size }),
      policy: fc.constantFrom<FailurePolicy>("skip_dependents", "fail_fast", "ignore"),
    }),
  )
  .map(({ edges, order, cached, reads, policy }) => {
    const steps = edges.map((row, at) => {
      const dependsOn = [...new Set(row.flatMap((n) => (at === 0 ? [] : [`s${n % at}`])))];
      const from = reads[at] ? dependsOn[0] : undefined;
      return step(`s${at}`, dependsOn, {
        inputs: from === undefined ? { at } : { at, from: `\${{ steps.${from}.output.id }}` },
        ...(cached[at] ? { cacheTtlMs: 60_000 } : {}),
      });
    });
    return workflow(
      order.flatMap((at) => steps[at] ?? []),
      { onFailure: policy },
    );
  });

/** By step id: how its task ends. */
export const randomFates = fc
  .array(fc.constantFrom<Fate>("completed", "completed", "completed", "failed", "cancelled"), {
    minLength: 12,
    maxLength: 12,
  })
  .map(
    (list) =>
      (stepId: string): Fate =>
        list[Number(stepId.slice(1))] ?? "completed",
  );
