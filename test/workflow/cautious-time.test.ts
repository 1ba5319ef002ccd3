import { describe, expect, it } from "vitest";
import { CautiousTime } from "../../src/workflow/cautious-time.ts";
import { manualClock } from "../kit/manual-clock.ts";

const SETTLE_MS = 600_000;
const HOUR_MS = 3_600_000;

function kit() {
  const clock = manualClock(5_000);
  const startMs = clock.wallNow();
  const time = new CautiousTime(clock, SETTLE_MS);
  /** Milliseconds since the start, as this clock has them now. */
  return { clock, now: () => time.of(clock.now()) - startMs, of: (ms: number) => time.of(ms) - startMs };
}

describe("a cautious clock", () => {
  it("is the wall clock as long as nobody sets that, also of moments that have passed", async () => {
    const { clock, now, of } = kit();
    expect(now()).toBe(0);
    await clock.advance(HOUR_MS);
    expect(now()).toBe(HOUR_MS);
    expect(of(5_000)).toBe(0);
  });

  it("follows a wall clock that is set back at once, and then tells earlier moments anew", async () => {
    const { clock, now, of } = kit();
    await clock.advance(1_000);
    clock.wallOffsetMs -= HOUR_MS;
    expect(now()).toBe(1_000 - HOUR_MS);
    expect(of(5_000)).toBe(-HOUR_MS);
  });

  it("follows a wall clock that is set ahead when that has been seen for long enough", async () => {
    const { clock, now } = kit();
    clock.wallOffsetMs += HOUR_MS;
    expect(now()).toBe(0);
    await clock.advance(SETTLE_MS - 1);
    expect(now()).toBe(SETTLE_MS - 1);
    await clock.advance(1);
    expect(now()).toBe(SETTLE_MS + HOUR_MS);
  });

  it("does not take a small step ahead, long ago, for a large one just now", async () => {
    const { clock, now } = kit();
    clock.wallOffsetMs += 1;
    expect(now()).toBe(0);
    await clock.advance(SETTLE_MS);
    clock.wallOffsetMs += HOUR_MS;
    expect(now()).toBe(SETTLE_MS + 1);
    await clock.advance(SETTLE_MS);
    expect(now()).toBe(2 * SETTLE_MS + 1 + HOUR_MS);
  });

  it("follows no further than the wall clock has been ahead all the time", async () => {
    const { clock, now } = kit();
    clock.wallOffsetMs += 2 * HOUR_MS;
    now();
    clock.wallOffsetMs -= HOUR_MS;
    now();
    await clock.advance(SETTLE_MS);
    expect(now()).toBe(SETTLE_MS + HOUR_MS);
  });
});
