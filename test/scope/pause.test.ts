import { describe, expect, it } from "vitest";
import { pause } from "../../src/scope/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

describe("a pause", () => {
  it("is over when its time has passed, and not before", async () => {
    const clock = manualClock();
    let isOver = false;
    void pause(100, { clock }).then(() => (isOver = true));
    await clock.advance(99);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(isOver).toBe(true);
  });

  it("is over at once when its signal aborts, before or while it lasts, and leaves no timer", async () => {
    const clock = manualClock();
    const controller = new AbortController();
    const waiting = pause(100, { clock, signal: controller.signal });
    await microtasksDrained();
    controller.abort(new Error("enough"));
    await waiting;
    await pause(100, { clock, signal: controller.signal });
    expect(clock.pending).toBe(0);
  });
});
