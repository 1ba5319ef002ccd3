import * as fc from "fast-check";
import { expect, it } from "vitest";
import { schedule } from "./fake-target.ts";

it("an arrival is planned at the start plus its number through the rate, however late it comes", () => {
  const plan = schedule(3, 86_400_000, 0, 1_000);
  expect(plan.plannedMs(0)).toBe(1_000);
  // After a whole day the third of a second has not drifted by a microsecond.
  expect(plan.plannedMs(3 * 86_399)).toBe(1_000 + 86_399_000);
  expect(plan.count).toBe(3 * 86_400);
});

it("what is due at a time is what is planned at or before it, at any rate and any start", () => {
  const options = fc.record({
    rate: fc.integer({ min: 1, max: 1_000_000 }),
    startMs: fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    elapsedMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
  });
  fc.assert(
    fc.property(options, ({ rate, startMs, elapsedMs }) => {
      const plan = schedule(rate, 10_000, 0, startMs);
      const nowMs = startMs + elapsedMs;
      const due = plan.dueBy(nowMs);
      expect(due === 0 || plan.plannedMs(due - 1) <= nowMs).toBe(true);
      expect(plan.plannedMs(due)).toBeGreaterThan(nowMs);
    }),
  );
});

it("an arrival is due at the very moment for which it is planned, and not before", () => {
  const plan = schedule(7, 60_000, 0, 0.1);
  for (let arrival = 0; arrival < plan.count; arrival++) {
    const plannedMs = plan.plannedMs(arrival);
    expect(plan.dueBy(plannedMs)).toBe(arrival + 1);
    expect(plan.dueBy(plannedMs - 1e-6)).toBe(arrival);
  }
});

it("nothing is due before the start, and never more than there is", () => {
  const plan = schedule(100, 1_000, 500, 10);
  expect(plan.dueBy(9.999)).toBe(0);
  expect(plan.dueBy(1e9)).toBe(150);
});

it("arrivals of the warm-up come first and are told apart: the first measured one is planned at its end", () => {
  const plan = schedule(333, 1_000, 2_000, 40);
  expect(plan.warmupCount).toBe(666);
  expect(plan.isMeasured(665)).toBe(false);
  expect(plan.isMeasured(666)).toBe(true);
  expect(plan.plannedMs(666)).toBe(plan.measuredFromMs);
  expect(plan.plannedMs(plan.count - 1)).toBeLessThan(plan.measuredToMs);
});
