import { describe, expect, it } from "vitest";
import { addCounts, missing, total } from "../tally.ts";
import { FAULTS_MIN, RUNS_MIN, emptyCounts, simulateWorkflowSeed } from "./simulate-workflow-seed.ts";

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);
const counts = emptyCounts();

describe("workflows in a simulated world", () => {
  it.each(SEEDS)(
    "end as their policies say, whatever dies and whatever a disk refuses (seed %i)",
    async (seed) => {
      const result = await simulateWorkflowSeed({ seed });
      addCounts(counts, result.counts);
      expect(result.violations, result.lines.join("\n")).toEqual([]);
      expect(result.counts.commands["submit"]).toBeGreaterThanOrEqual(RUNS_MIN);
      expect(total(result.counts.faults)).toBeGreaterThanOrEqual(FAULTS_MIN);
    },
  );

  it("have met every command, every fault and every kind of end after these seeds", () => {
    expect(missing(counts)).toEqual([]);
  });

  it("take the same course with the same seed, and another with another", async () => {
    const [first, again, other] = [
      await simulateWorkflowSeed({ seed: 11 }),
      await simulateWorkflowSeed({ seed: 11 }),
      await simulateWorkflowSeed({ seed: 12 }),
    ];
    expect(again).toEqual(first);
    expect(other.traceHash).not.toBe(first.traceHash);
  });
});

describe("what watches them", () => {
  it("finds that what was acknowledged is lost with the power, when the disks only say that they flushed", async () => {
    const losses: string[] = [];
    for (const seed of [1, 2, 3])
      losses.push(...(await simulateWorkflowSeed({ seed, honestDisks: false })).violations);
    expect(losses).toContainEqual(expect.stringMatching(/^lost: \d+-\d+$/));
  });
});
