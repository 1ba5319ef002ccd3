/** What the contestants are handed: steps as they come out of a request, every text a string of its own. */
export interface BenchStep {
  readonly stepId: string;
  readonly dependsOn: readonly string[];
  readonly ms: number;
}

/** What a contestant found; all must find the same. */
export interface Found {
  readonly levels: number;
  readonly criticalPathMs: number;
}

export interface DagContestant {
  /** With its versions. */
  readonly is: string;
  /** From the list of steps to levels and critical path; throws when the list is no graph without cycles. */
  solve(steps: readonly BenchStep[]): Found;
}

export const STEPS = 1_000_000;
export const EDGES_PER_STEP = 2;

/** As JSON. Each step depends on two earlier ones, anywhere: far apart in memory, and no deeper than a recursion can go. */
export function graphText(): string {
  const random = generator(1);
  const steps = Array.from({ length: STEPS }, (_, at): BenchStep => {
    const wanted = Array.from({ length: at < EDGES_PER_STEP ? 0 : EDGES_PER_STEP }, () => random(at));
    return {
      stepId: nameOf(at),
      dependsOn: [...new Set(wanted)].map(nameOf),
      ms: 1 + random(1_000),
    };
  });
  return JSON.stringify(steps);
}

const nameOf = (at: number): string => `step-${at}`;

/** @see https://en.wikipedia.org/wiki/Linear_congruential_generator (Numerical Recipes) */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
