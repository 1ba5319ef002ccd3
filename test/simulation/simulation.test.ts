import { describe, expect, it } from "vitest";
import { BROKEN_CORES } from "./broken-cores.ts";
import { COMMANDS_MIN, FAULTS_MIN, simulateSeed, type SeedResult } from "./simulate-seed.ts";
import { addCounts, emptyCounts, missing, total } from "./tally.ts";
import { COMMANDS, type WorldOptions } from "./world.ts";

const SEEDS = Array.from({ length: 30 }, (_, index) => index + 1);
/** Some faults need rare circumstances to show. */
const SEEDS_TO_FIND_A_FAULT = 40;
const counts = emptyCounts(Object.keys(COMMANDS));

/** The first seed in which something is found. */
async function found(options: Omit<WorldOptions, "seed">): Promise<SeedResult | undefined> {
  for (let seed = 1; seed <= SEEDS_TO_FIND_A_FAULT; seed++) {
    const result = await simulateSeed({ ...options, seed });
    if (result.violations.length > 0) return result;
  }
  return undefined;
}

describe("the queue in a simulated world", () => {
  it.each(SEEDS)("keeps its laws, whatever chance asks of it and does to it (seed %i)", async (seed) => {
    const result = await simulateSeed({ seed });
    addCounts(counts, result.counts);
    expect(result.violations, result.lines.join("\n")).toEqual([]);
    expect(total(result.counts.commands)).toBeGreaterThanOrEqual(COMMANDS_MIN);
    expect(total(result.counts.faults)).toBeGreaterThanOrEqual(FAULTS_MIN);
  });

  it("has met every command, every fault and every change of state after these seeds", () => {
    expect(missing(counts)).toEqual([]);
  });

  it("takes the same course with the same seed, and another with another", async () => {
    const [first, again, other] = [
      await simulateSeed({ seed: 7 }),
      await simulateSeed({ seed: 7 }),
      await simulateSeed({ seed: 8 }),
    ];
    expect(again).toEqual(first);
    expect(other.traceHash).not.toBe(first.traceHash);
  });
});

describe("the checker", () => {
  it.each(Object.entries(BROKEN_CORES))("finds a core that %s", async (_, Core) => {
    const result = await found({ makeCore: (options) => new Core(options) });
    expect(result?.violations).not.toEqual([]);
    // What it finds is a law that does not hold, not a checker or a queue that fell over.
    expect(result?.violations[0]).not.toMatch(/^\w*Error/);
  });

  it("finds that what was acknowledged is lost with the power, when the disk only says that it flushed", async () => {
    const losses: string[] = [];
    for (const seed of [1, 2, 3, 4, 5, 6])
      losses.push(...(await simulateSeed({ seed, honestDisk: false })).violations);
    expect(losses).toContainEqual(expect.stringMatching(/^what was acknowledged is lost: t\d+ is/));
  });
});
