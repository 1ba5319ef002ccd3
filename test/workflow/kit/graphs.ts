import * as fc from "fast-check";
import { buildDag, type Dag, type DagStep, type StepNumbers } from "../../../src/workflow/dag.ts";

export const step = (stepId: string, ...dependsOn: string[]): DagStep => ({ stepId, dependsOn });

export function graph(...steps: DagStep[]): Dag {
  const built = buildDag(steps);
  if (!built.ok) throw new Error(built.problems.join("; "));
  return built.dag;
}

export const ids = (dag: Dag, steps: StepNumbers): string[] => Array.from(steps, (at) => dag.idOf(at));

/** Graphs whose edges point back in the list, so that they have no cycle; listed in a shuffled order. */
export const acyclic = fc
  .integer({ min: 1, max: 25 })
  .chain((size) =>
    fc.tuple(
      fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: size, maxLength: size }),
      fc.shuffledSubarray(
        Array.from({ length: size }, (_, at) => at),
        { minLength: size, maxLength: size },
      ),
    ),
  )
  .map(([rows, order]) => {
    const steps = rows.map((row, at) =>
      step(`s${at}`, ...row.flatMap((n) => (at === 0 ? [] : [`s${n % at}`]))),
    );
    return order.flatMap((at) => steps[at] ?? []);
  });

/** A graph and a duration for each step. */
export const timed = acyclic.chain((steps) =>
  fc.tuple(
    fc.constant(graph(...steps)),
    fc.array(
      fc.oneof(
        fc.nat(20),
        fc.integer({ min: 0, max: 999 }).map((n) => n / 1_000),
      ),
      {
        minLength: steps.length,
        maxLength: steps.length,
      },
    ),
  ),
);
