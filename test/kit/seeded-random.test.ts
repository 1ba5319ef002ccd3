import { describe, expect, it, onTestFinished } from "vitest";
import { seededRandom, testSeed } from "./seeded-random.ts";

const words = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.next() * 2 ** 32);
};

describe("a seeded random", () => {
  it("is sfc32 as PractRand seeds it", () => {
    expect(words(0, 4)).toEqual([1_363_572_419, 145_230_303, 808_754_475, 4_216_505_632]);
    expect(words(1, 4)).toEqual([2_012_149_540, 1_872_316_204, 1_707_632_675, 1_779_833_415]);
  });

  it("repeats itself for one seed and differs for another", () => {
    expect(words(42, 100)).toEqual(words(42, 100));
    expect(words(42, 100)).not.toEqual(words(43, 100));
  });

  it("stays from 0 to below 1 and fills ten bins evenly", () => {
    const random = seededRandom(2 ** 32 - 1);
    const bins = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 100_000; draw++) {
      const number = random.next();
      expect(number >= 0 && number < 1).toBe(true);
      const bin = Math.floor(number * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    // Nine degrees of freedom: chi-square is above 27.9 once in a thousand seeds; this seed is fixed.
    const chiSquare = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(27.9);
  });

  it("tells its seed and refuses what is no seed", () => {
    expect(seededRandom(7).seed).toBe(7);
    for (const seed of [-1, 0.5, NaN, 2 ** 32])
      expect(() => seededRandom(seed)).toThrow("whole number of 32 bits");
  });

  it("takes its seed from the environment, else a new one that is a seed", () => {
    const given = process.env["SEED"];
    onTestFinished(() => {
      if (given === undefined) delete process.env["SEED"];
      else process.env["SEED"] = given;
    });
    process.env["SEED"] = "1234";
    expect(testSeed()).toBe(1234);
    delete process.env["SEED"];
    const seed = testSeed();
    expect(seededRandom(seed).seed).toBe(seed);
  });
});
