import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_BACKOFF, delayAfter } from "../../src/queue/backoff.ts";
import type { Backoff } from "../../src/queue/queue.protocol.ts";
import { testSeed } from "../kit/seeded-random.ts";
import { CoreKit, failed, spec } from "./core-kit.ts";

const delays = (backoff: Partial<Backoff>, chance = 0): number[] =>
  [1, 2, 3, 4, 5].map((attempt) =>
    delayAfter({ ...DEFAULT_BACKOFF, delayMs: 100, ...backoff }, attempt, chance),
  );

describe("the pause after attempt n", () => {
  it.each<[Backoff["shape"], number[]]>([
    ["none", [0, 0, 0, 0, 0]],
    ["fixed", [100, 100, 100, 100, 100]],
    ["linear", [100, 200, 300, 400, 500]],
    ["exponential", [100, 200, 400, 800, 1_600]],
  ])("of shape %s is as its formula says", (shape, expected) => {
    expect(delays({ shape })).toEqual(expected);
  });

  it("grows by the factor, and never above the cap", () => {
    expect(delays({ factor: 3, maxDelayMs: 500 })).toEqual([100, 300, 500, 500, 500]);
    expect(delays({ shape: "linear", maxDelayMs: 250 })).toEqual([100, 200, 250, 250, 250]);
    expect(delays({ shape: "fixed", maxDelayMs: 50 })).toEqual([50, 50, 50, 50, 50]);
    expect(delayAfter({ ...DEFAULT_BACKOFF, factor: 100 }, 100, 0)).toBe(300_000);
    expect(delayAfter({ ...DEFAULT_BACKOFF, factor: 100, delayMs: 0 }, 100, 0)).toBe(0);
  });

  it("is shortened by chance by at most the share that jitter allows, after the cap", () => {
    expect(delays({ shape: "fixed", jitter: 0.5 }, 0.5)).toEqual([75, 75, 75, 75, 75]);
    expect(delays({ shape: "fixed", jitter: 1, maxDelayMs: 50 }, 0.9)).toEqual([5, 5, 5, 5, 5]);
    expect(delays({ shape: "none", jitter: 1 }, 0.9)).toEqual([0, 0, 0, 0, 0]);
    const seed = testSeed();
    const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(share, share, fc.integer({ min: 1, max: 100 }), (jitter, chance, attempt) => {
        const whole = delayAfter(DEFAULT_BACKOFF, attempt, 0);
        const delayMs = delayAfter({ ...DEFAULT_BACKOFF, jitter }, attempt, chance);
        expect(delayMs).toBeLessThanOrEqual(whole);
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(whole * (1 - jitter)));
        expect(Number.isInteger(delayMs)).toBe(true);
      }),
      { seed },
    );
  });

  it("by default is one second, doubled each time, of at most 300 s, without jitter", () => {
    expect(DEFAULT_BACKOFF).toEqual({
      shape: "exponential",
      delayMs: 1_000,
      factor: 2,
      maxDelayMs: 300_000,
      jitter: 0,
    });
  });
});

describe("a task that failed", () => {
  it("waits for its backoff, which grows with its attempts, and says until when", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 4, backoff: { delayMs: 100 } })]);
    let nowMs = 0;
    for (const delayMs of [100, 200, 400]) {
      kit.claimOne(nowMs);
      kit.settle("a", failed, nowMs);
      expect(kit.status("a")).toMatchObject({ state: "queued", notBeforeMs: nowMs + delayMs });
      expect(kit.core.seats.delayed).toBe(1);
      expect(kit.core.nextChangeAtMs(nowMs)).toBe(nowMs + delayMs);
      expect(kit.claimed(1, nowMs + delayMs - 1)).toEqual([]);
      nowMs += delayMs;
    }
    kit.claimOne(nowMs);
    kit.settle("a", failed, nowMs);
    expect(kit.status("a")).toMatchObject({ state: "failed", notBeforeMs: null, attempt: 4 });
  });

  it("is tried again at once when it asked for no backoff, and never waits after an interruption", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { attempts: 2 }), spec("b", { attempts: 2, backoff: { delayMs: 9_000 } })]);
    kit.claimed();
    kit.settle("a", failed, 1);
    kit.settle("b", { kind: "interrupted" }, 1);
    expect(kit.claimed(2, 1)).toEqual(["a", "b"]);
  });

  it("takes its jitter from the chance that is handed in", () => {
    const kit = new CoreKit({ chance: () => 0.25 });
    kit.submit([spec("a", { attempts: 2, backoff: { shape: "fixed", delayMs: 1_000, jitter: 0.4 } })]);
    kit.claimOne();
    kit.settle("a", failed, 0);
    expect(kit.status("a").notBeforeMs).toBe(900);
  });
});

describe("a delay", () => {
  it("holds a task from its submission on, and after it the task stands in its place by the order", () => {
    const kit = new CoreKit();
    kit.submit(
      [spec("late", { delayMs: 50, priority: 9 }), spec("early"), spec("zero", { delayMs: 0 })],
      100,
    );
    expect(kit.status("late").notBeforeMs).toBe(150);
    expect(kit.status("zero").notBeforeMs).toBe(null);
    expect(kit.claimed(1, 149)).toEqual(["early"]);
    expect(kit.claimed(9, 150)).toEqual(["late", "zero"]);
  });

  it("that is over does not begin again when the clock is set back", () => {
    const kit = new CoreKit();
    kit.submit([spec("a", { delayMs: 50 })], 0);
    kit.claim(0, 50);
    kit.claim(0, 10);
    kit.core.reprioritize(kit.core.task("a"), 5);
    expect(kit.claimed(1, 10)).toEqual(["a"]);
  });

  it("and a dependency both have to be over", () => {
    const kit = new CoreKit();
    kit.submit([
      spec("a"),
      spec("b", { delayMs: 50, dependsOn: ["a"] }),
      spec("c", { delayMs: 5, dependsOn: ["a"] }),
    ]);
    kit.claimOne();
    expect(kit.claimed(9, 20)).toEqual([]);
    kit.settle("a", { kind: "completed", output: new Uint8Array() }, 20);
    expect(kit.claimed(9, 20)).toEqual(["c"]);
    expect(kit.claimed(9, 50)).toEqual(["b"]);
  });
});
