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

/** What a random step may have beside its edges. */
const randomStep = fc.record({
  edges: fc.array(fc.nat(), { maxLength: 3 }),
  cached: fc.boolean(),
  reads: fc.boolean(),
  when: fc.nat(4).map((n) => n === 0),
  items: fc.option(fc.nat(3), { nil: null, freq: 3 }),
  itemsOfOutput: fc.boolean(),
  maxConcurrent: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
  undone: fc.constantFrom("no", "blindly", "by its output"),
});

/**
 * A random graph without cycles, in a shuffled order, with little room; some steps cached, some passing an output on,
 * some with a condition, some for each item of a list (their own, or in an output), some to be undone.
 */
export const randomWorkflowOf = (stepsMax: number): fc.Arbitrary<WorkflowDefinition> =>
  fc
    .integer({ min: 1, max: stepsMax })
    .chain((size) =>
      fc.record({
        list: fc.array(randomStep, { minLength: size, maxLength: size }),
        order: fc.shuffledSubarray(
          Array.from({ length: size }, (_, at) => at),
          { minLength: size, maxLength: size },
        ),
        policy: fc.constantFrom<FailurePolicy>("skip_dependents", "fail_fast", "ignore"),
        room: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      }),
    )
    .map(({ list, order, policy, room }) => {
      const steps = list.map(
        ({ edges, cached, reads, when, items, itemsOfOutput, maxConcurrent, undone }, at) => {
          const dependsOn = [...new Set(edges.flatMap((n) => (at === 0 ? [] : [`s${n % at}`])))];
          const from = reads ? dependsOn[0] : undefined;
          // The output of a fan-out is a list and has no part of that name.
          const source = dependsOn.find((id) => list[Number(id.slice(1))]?.items === null);
          const forEach = items !== null && {
            items:
              itemsOfOutput && source !== undefined
                ? `\${{ steps.${source}.output.list }}`
                : Array.from({ length: items }, (_, item) => item),
            ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
          };
          return step(`s${at}`, dependsOn, {
            inputs: {
              at,
              ...(from === undefined ? {} : { from: `\${{ steps.${from}.output }}` }),
              ...(forEach ? { item: "${{ item }}" } : {}),
            },
            ...(cached ? { cacheTtlMs: 60_000 } : {}),
            ...(when ? { when: "true" } : {}),
            ...(forEach ? { forEach } : {}),
            ...(undone === "no"
              ? {}
              : { compensate: { action: "echo", inputs: undoing(`s${at}`, undone, from) } }),
          });
        },
      );
      return workflow(
        order.flatMap((at) => steps[at] ?? []),
        { onFailure: policy, ...(room === undefined ? {} : { maxConcurrency: room }) },
      );
    });

export const randomWorkflow = randomWorkflowOf(12);

function undoing(stepId: string, how: string, from: string | undefined): Record<string, string> {
  if (how === "blindly") return {};
  const own = { of: `\${{ steps.${stepId}.output }}` };
  return from === undefined ? own : { ...own, from: `\${{ steps.${from}.output }}` };
}

/** By what a test calls a task (`s3`, `s3[1]`, `s3/when`, `s3/compensate`): how it ends. A condition that completes is true or false. */
const fatesOf = (...fates: Fate[]): fc.Arbitrary<(name: string) => Fate> =>
  fc
    .array(fc.constantFrom(...fates), { minLength: 40, maxLength: 40 })
    .map((list) => (name: string): Fate => {
      const [number, item = 0] = Array.from(name.matchAll(/\d+/g), ([digits]) => Number(digits));
      if (number === undefined) return "completed";
      const part = name.endsWith("/when") ? 13 : name.endsWith("/compensate") ? 29 : 0;
      return list[(number + 12 * item + part) % list.length] ?? "completed";
    });

export const randomFates = fatesOf("completed", "completed", "completed", "failed", "cancelled");
/** For graphs that a few failures would leave nothing of. */
export const kindFates = fatesOf(...Array<Fate>(60).fill("completed"), "failed", "cancelled");

/** What a task returns that is no condition: its name, and a list to fan out to. */
export const OUTPUT_LIST = [0, 1];
export const outputOfTask = (name: string): { id: string; list: number[] } => ({
  id: name,
  list: OUTPUT_LIST,
});

/** What the condition of a step gives when its evaluation completes. */
export const verdictOf = (name: string): boolean => Number(/\d+/.exec(name)?.[0] ?? 0) % 3 !== 0;
