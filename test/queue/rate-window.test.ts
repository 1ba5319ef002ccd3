import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RateWindow } from "../../src/queue/rate-window.ts";
import { testSeed } from "../kit/seeded-random.ts";

describe("a rate window", () => {
  it("counts what happened in the last sixty seconds, the present one included, as a naive count does", () => {
    const seed = testSeed();
    const steps = fc.array(
      fc.record({ waitMs: fc.oneof(fc.nat(1_500), fc.nat(90_000)), counts: fc.boolean() }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.nat(2e12), steps, (startMs, all) => {
        const window = new RateWindow();
        const seconds: number[] = [];
        let nowMs = startMs;
        for (const { waitMs, counts } of all) {
          nowMs += waitMs;
          if (counts) {
            window.count(nowMs);
            seconds.push(Math.floor(nowMs / 1_000));
          }
          const oldest = Math.floor(nowMs / 1_000) - 59;
          expect(window.perMinute(nowMs)).toBe(seconds.filter((second) => second >= oldest).length);
        }
      }),
      { seed },
    );
  });

  it("loses nothing to a clock that is set back", () => {
    const window = new RateWindow();
    window.count(100_000);
    window.count(90_000);
    expect(window.perMinute(90_000)).toBe(2);
    expect(window.perMinute(100_000)).toBe(2);
  });
});
