import { describe, expect, it } from "vitest";

import { Durations } from "../../src/workflow/durations.ts";

describe("what an action is expected to take", () => {
  it("is one second before it ever ran, and the mean of its attempts from then on", () => {
    const durations = new Durations([]);
    expect(durations.expectedMs("a")).toBe(1_000);
    durations.observe("a", 10);
    expect(durations.expectedMs("a")).toBe(10);
    durations.observe("a", 30);
    expect([durations.expectedMs("a"), durations.expectedMs("b")]).toEqual([20, 1_000]);
  });

  it("follows the latest attempts, and is never nothing", () => {
    const durations = new Durations([{ action: "a", meanMs: 1_000, count: 50 }]);
    for (let n = 0; n < 500; n++) durations.observe("a", -5);
    expect(durations.expectedMs("a")).toBeGreaterThan(0);
    expect(durations.expectedMs("a")).toBeLessThan(1);
  });

  it("is told when it has changed, once", () => {
    const durations = new Durations([{ action: "a", meanMs: 7, count: 1 }]);
    expect(durations.takeChanged()).toEqual([]);
    durations.observe("b", 4);
    expect(durations.takeChanged()).toEqual([{ action: "b", meanMs: 4, count: 1 }]);
    expect(durations.takeChanged()).toEqual([]);
  });
});
