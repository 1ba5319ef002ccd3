import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QueueTime } from "../../src/queue/queue-time.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { testSeed } from "../kit/seeded-random.ts";

describe("the time of a queue", () => {
  it("is the wall clock's, in whole milliseconds", async () => {
    const clock = manualClock(0.25);
    const time = new QueueTime(clock);
    expect(time.now()).toBe(Date.UTC(2026, 0, 1));
    await clock.advance(1_000.5);
    expect(time.now()).toBe(Date.UTC(2026, 0, 1) + 1_000);
  });

  it("goes on at the pace of the monotonic clock when the wall clock is set back", async () => {
    const clock = manualClock();
    const time = new QueueTime(clock);
    const startMs = time.now();
    clock.wallOffsetMs -= 3_600_000;
    expect(time.now()).toBe(startMs);
    await clock.advance(500);
    expect(time.now()).toBe(startMs + 500);
  });

  it("follows a wall clock that is set forward, and meets one again that it had overtaken", async () => {
    const clock = manualClock();
    const time = new QueueTime(clock);
    const startMs = time.now();
    clock.wallOffsetMs += 3_600_000;
    expect(time.now()).toBe(startMs + 3_600_000);
    clock.wallOffsetMs -= 1_800_000;
    await clock.advance(10);
    expect(time.now()).toBe(startMs + 3_600_010);
    clock.wallOffsetMs += 3_600_000;
    expect(time.now()).toBe(startMs + 5_400_010);
  });

  it("never goes back, and never stands still while the monotonic clock goes on, whatever the wall clock does", async () => {
    const seed = testSeed();
    const step = fc.record({ jumpMs: fc.integer({ min: -1e7, max: 1e7 }), ms: fc.nat(5_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const clock = manualClock();
        const time = new QueueTime(clock);
        let lastMs = time.now();
        for (const { jumpMs, ms } of steps) {
          clock.wallOffsetMs += jumpMs;
          await clock.advance(ms);
          const nowMs = time.now();
          expect(nowMs).toBeGreaterThanOrEqual(lastMs + ms);
          expect(nowMs).toBeGreaterThanOrEqual(Math.floor(clock.wallNow()));
          lastMs = nowMs;
        }
      }),
      { seed, numRuns: 50 },
    );
  });
});
