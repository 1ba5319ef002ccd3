import { expect, it } from "vitest";
import { openSystem } from "../../src/system/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";

it("a system runs in one thread, by a seed's order of turns and without time, but for the threads of its handlers", async () => {
  const clock = manualClock();
  const random = seededRandom(testSeed());
  const scheduler = seededScheduler(random);
  const log = createLog({ component: "simulated", clock, sink: () => undefined });
  let settled = false;
  const work = async (): Promise<void> => {
    await using system = await openSystem({
      data: null,
      threads: 1,
      simulation: { clock, random, scheduler, log },
    });
    const { status, outputs } = await system.run({
      workflowId: "w",
      steps: [
        { stepId: "a", action: "echo", inputs: { n: 1 } },
        { stepId: "b", action: "echo", inputs: { of: "${{ steps.a.output.n }}" }, dependsOn: ["a"] },
      ],
    });
    expect([status.state, outputs]).toEqual(["completed", { a: { n: 1 }, b: { of: 1 } }]);
    expect(status.submittedAtMs).toBe(clock.wallNow());
  };
  const working = work().finally(() => (settled = true));
  // Each step lets a turn of the real loop pass, in which handler threads and modules get on.
  // oxlint-disable-next-line no-unmodified-loop-condition -- `working` modifies it
  while (!settled) await scheduler.step();
  await working;
  expect(clock.pending).toBe(0);
});
