import { buildDag, criticalPath } from "mcplusplus";
import { EDGES_PER_STEP, STEPS, type BenchStep, type DagContestant, type Found } from "./graph.ts";

/** All that a user gets: the checks of ids, levels as lists, earliest and latest starts, both slacks. */
export const ours = (): DagContestant => ({
  is: "mcplusplus",
  solve(steps: readonly BenchStep[]): Found {
    const built = buildDag(steps, { stepsMax: STEPS, edgesMax: EDGES_PER_STEP * STEPS });
    if (!built.ok) throw new Error(built.problems[0]);
    const { levels } = built.dag;
    const durationsMs = steps.map(({ ms }) => ms);
    return { levels: levels.length, criticalPathMs: criticalPath(built.dag, durationsMs).lengthMs };
  },
});
