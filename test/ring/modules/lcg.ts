import type { Random } from "../../../src/scope/index.ts";

/** Chance for a thread on which the test runner, and so the kit's seeded random, is not at hand. */
export function lcg(seed: number): Random {
  let state = seed >>> 0;
  return {
    next: () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    },
  };
}
