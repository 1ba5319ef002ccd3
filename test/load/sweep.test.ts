import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runLoad, type LoadPlan } from "../../src/load/run-load.ts";
import { KneeSearch, shortMs, type SweepStep } from "../../src/load/sweep.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { FakeTarget, settled, type FakeServer } from "./fake-target.ts";

function search(capacity: number, firstRate: number, rateMax = 1_000_000) {
  const tried: number[] = [];
  const looking = new KneeSearch({ firstRate, rateMax, stepsMax: 100 });
  for (let rate = looking.next(); rate !== null; rate = looking.next()) {
    if (tried.at(-1) !== rate) tried.push(rate);
    looking.tell(rate, rate <= capacity);
  }
  return { ...looking.knee, tried };
}

describe("the search for the knee", () => {
  it("ends within three percent of any capacity, from any first rate", () => {
    const rate = fc.integer({ min: 1, max: 500_000 });
    fc.assert(
      fc.property(rate, rate, (capacity, firstRate) => {
        const { ratePerSecond, notSustained } = search(capacity, firstRate);
        expect(ratePerSecond).toBeLessThanOrEqual(capacity);
        expect(notSustained).toBeGreaterThan(capacity);
        const gap = (notSustained ?? 0) - (ratePerSecond ?? 0);
        expect(gap === 1 || (notSustained ?? 0) <= (ratePerSecond ?? 0) * 1.03).toBe(true);
      }),
    );
  });

  it("doubles until a rate is not sustained, and then tries between", () => {
    expect(search(1_000, 100).tried).toEqual([100, 200, 400, 800, 1_600, 1_131, 951, 1_037, 993, 1_015]);
  });

  it("goes down when the first rate is too much, and says so when nothing is sustained", () => {
    expect(search(30, 400).tried.slice(0, 5)).toEqual([400, 200, 100, 50, 25]);
    expect(search(0, 8)).toEqual({ ratePerSecond: null, notSustained: 1, tried: [8, 4, 2, 1] });
  });

  it("ends at the highest rate that there is when all are sustained", () => {
    expect(search(Infinity, 100, 300)).toEqual({
      ratePerSecond: 300,
      notSustained: null,
      tried: [100, 200, 300],
    });
  });

  it("gives up a rate only when it was not sustained twice in a row", () => {
    const looking = new KneeSearch({ firstRate: 10, rateMax: 20, stepsMax: 10 });
    const hiccups = [false, true, false, false];
    const tried = hiccups.map((sustained) => {
      const rate = looking.next() ?? 0;
      looking.tell(rate, sustained);
      return rate;
    });
    expect(tried).toEqual([10, 10, 20, 20]);
    expect(looking.knee).toEqual({ ratePerSecond: 10, notSustained: 20 });
  });

  it("ends after its steps, however far it has come", () => {
    const looking = new KneeSearch({ firstRate: 10, rateMax: 1_000, stepsMax: 2 });
    looking.tell(10, true);
    looking.tell(20, true);
    expect(looking.next()).toBeNull();
  });
});

const PLAN: LoadPlan = {
  ratePerSecond: 100,
  durationMs: 5_000,
  warmupMs: 1_000,
  outstandingMax: 10_000,
  sweep: { p99Ms: 100 },
};

function swept(server: Partial<FakeServer>, plan: Partial<LoadPlan> = {}, stepsMax = Infinity) {
  const clock = manualClock();
  const steps: SweepStep[] = [];
  const stop = new AbortController();
  const target = new FakeTarget({ clock, ...server });
  const onStep = (step: SweepStep): void => {
    steps.push(step);
    if (steps.length === stepsMax) stop.abort();
  };
  const services = { clock, signal: stop.signal, onProgress: () => undefined, onStep };
  return { clock, steps, target, stop, outcome: runLoad({ ...PLAN, ...plan }, target, services) };
}

describe("a sweep", () => {
  it.each([118, 237, 400])(
    "finds the knee of a server that does %i a second within five percent",
    async (capacity) => {
      const { clock, outcome, steps } = swept({ serviceMs: 1_000 / capacity });
      const { sweep, figures, ratePerSecond, check } = await settled(clock, outcome);
      const knee = sweep?.knee.ratePerSecond ?? 0;
      expect(Math.abs(knee / capacity - 1)).toBeLessThan(0.05);
      // What is shown is the step at the knee, and the check is of all of them.
      expect(ratePerSecond).toBe(knee);
      expect(figures.counts.offered).toBe(Math.ceil(knee * 6) - Math.ceil(knee));
      expect(check).toMatchObject({ passed: true });
      expect(check.acknowledged).toBe(
        steps.reduce((sum, step) => sum + Math.ceil(step.ratePerSecond * 6), 0),
      );
      expect(sweep?.steps).toEqual(steps);
    },
  );

  it("calls a rate sustained only when its latency is, too", async () => {
    const quick = swept({ delayMs: 99 }, { durationMs: 1_000 }, 1);
    const slow = swept({ delayMs: 101 }, { durationMs: 1_000 }, 1);
    await settled(quick.clock, quick.outcome);
    await settled(slow.clock, slow.outcome);
    expect(quick.steps[0]).toMatchObject({ ratePerSecond: 100, sustained: true, reasons: [] });
    expect(slow.steps[0]?.reasons).toEqual(["99 of 100 took up to 101 ms, above 100 ms"]);
  });

  it("does not call a rate sustained of which something was not sent", async () => {
    const { clock, outcome, steps } = swept({ serviceMs: 5 }, { outstandingMax: 3, ratePerSecond: 400 }, 1);
    await settled(clock, outcome);
    expect(steps[0]).toMatchObject({ sustained: false });
    expect(steps[0]?.reasons.join("; ")).toMatch(/not sent: too many were under way/);
  });

  it("does not call a rate sustained at which something failed", async () => {
    const { clock, outcome, steps } = swept({ serviceMs: 2, fails: [150] }, { durationMs: 1_000 }, 1);
    await settled(clock, outcome);
    expect(steps[0]?.reasons).toEqual(["1 HANDLER_FAILED"]);
  });

  it("ends at a signal with the steps that it has, and still checks them", async () => {
    const { clock, outcome, steps, stop } = swept({ serviceMs: 1 });
    await clock.advance(8_000);
    stop.abort();
    const { sweep, interrupted, ratePerSecond, check } = await settled(clock, outcome);
    expect([interrupted, steps.length, sweep?.steps.length, ratePerSecond]).toEqual([true, 1, 1, 100]);
    expect(check.passed).toBe(true);
  });
});

describe("a load test", () => {
  it("closes its target, and rejects with what kept it from being opened", async () => {
    const clock = manualClock();
    const target = new FakeTarget({ clock });
    target.open = () => Promise.reject(new Error("not today"));
    const signal = new AbortController().signal;
    const services = { clock, signal, onProgress: () => undefined, onStep: () => undefined };
    await expect(runLoad({ ...PLAN, sweep: null }, target, services)).rejects.toThrow("not today");
    expect(target.closed).toBe(1);
  });
});

it("a duration is told in the unit that suits it", () => {
  expect([null, 0.0404, 1.234, 99.96, 100, 1_234, 12_345].map(shortMs)).toEqual([
    "–",
    "40 µs",
    "1.23 ms",
    "100 ms",
    "100 ms",
    "1.23 s",
    "12.3 s",
  ]);
});
