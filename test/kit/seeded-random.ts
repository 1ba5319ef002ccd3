import { onTestFailed } from "vitest";
import { assert } from "../../src/errors/index.ts";
import type { Random } from "../../src/scope/index.ts";

export interface SeededRandom extends Random {
  /** The one number that reproduces the whole sequence. */
  readonly seed: number;
}

/** Outputs thrown away so that seeds that differ in one bit lead to unrelated sequences; PractRand uses as many. */
const WARM_UP = 12;
const SEED_MAX = 2 ** 32 - 1;

/**
 * Small Fast Chaotic, 32 bit: 128 bits of state, one of them a counter, so no seed falls into a short cycle.
 *
 * @param seed A whole number from 0 to 2^32 - 1.
 * @see https://pracrand.sourceforge.net/RNG_engines.txt (sfc32, by Chris Doty-Humphrey, public domain)
 */
export function seededRandom(seed: number): SeededRandom {
  assert(
    Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX,
    `a seed is a whole number of 32 bits, not ${seed}`,
  );
  let a = 0;
  let b = seed | 0;
  let c = 0;
  let counter = 1;

  const word = (): number => {
    const output = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + output) | 0;
    return output >>> 0;
  };
  for (let discarded = 0; discarded < WARM_UP; discarded++) word();

  return { seed, next: () => word() / 2 ** 32 };
}

/**
 * The seed for one test: that of the environment variable SEED, else a new one. It is printed when the test fails,
 * together with the way to run the same again. Call it inside a test.
 */
export function testSeed(): number {
  const given = process.env["SEED"];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  onTestFailed(
    () => void process.stderr.write(`the seed of this test was ${seed}; SEED=${seed} runs it again\n`),
  );
  return seed;
}
