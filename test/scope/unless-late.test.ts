import { describe, expect, it } from "vitest";
import { unlessLate } from "../../src/scope/index.ts";
import { manualClock } from "../kit/manual-clock.ts";

describe("work that is waited for, for a while", () => {
  it("tells its result or its failure, and leaves no timer", async () => {
    const clock = manualClock();
    expect(await unlessLate(Promise.resolve(7), 100, clock)).toBe(7);
    await expect(unlessLate(Promise.reject(new Error("no")), 100, clock)).rejects.toThrow("no");
    expect(clock.pending).toBe(0);
  });

  it("is left to itself when the time is up", async () => {
    const clock = manualClock();
    const work = Promise.withResolvers<number>();
    const waiting = unlessLate(work.promise, 100, clock);
    await clock.advance(100);
    expect(await waiting).toBeUndefined();
    // Nobody hears of it any more, and it is no unhandled rejection either.
    work.reject(new Error("too late"));
  });
});
