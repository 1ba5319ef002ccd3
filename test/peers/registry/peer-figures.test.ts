import { describe, expect, it } from "vitest";
import {
  DecayedShare,
  LatestValues,
  PROBES_MIN,
  ProbeWindow,
  SILENT_PROBES,
  medianOf,
} from "../../../src/peers/registry/figure-windows.ts";
import { FigureBook, qualityOf } from "../../../src/peers/registry/peer-figures.ts";
import { seededRandom } from "../../kit/seeded-random.ts";

describe("a median", () => {
  it.each([
    [[], null],
    [[3], 3],
    [[9, 1, 2], 2],
    [[1, 2, 3, 100], 2.5],
  ])("of %j is %j", (values, median) => {
    expect(medianOf(values)).toBe(median);
  });
});

describe("the latest values", () => {
  it("are no more than so many, and none older than so long", () => {
    const latest = new LatestValues<number>(3, 100);
    for (let value = 1; value <= 5; value++) latest.add(value, value * 10);
    expect(latest.at(50).toSorted((one, other) => one - other)).toEqual([3, 4, 5]);
    expect(latest.at(140).toSorted((one, other) => one - other)).toEqual([4, 5]);
    expect(latest.at(151)).toEqual([]);
  });
});

describe("a decayed share", () => {
  it("is null before the first outcome, and forgets the old in favour of the new", () => {
    const share = new DecayedShare();
    expect(share.share).toBeNull();
    for (let times = 0; times < 100; times++) share.add(false);
    expect(share.share).toBe(0);
    for (let times = 0; times < 35; times++) share.add(true);
    // 0.98 ^ 35 is one half.
    expect(share.share).toBeCloseTo(0.58, 1);
  });

  it("weighs light outcomes lightly, however many there are between", () => {
    const share = new DecayedShare();
    share.add(false);
    for (let times = 0; times < 10; times++) share.add(true, 0.1);
    expect(share.share).toBeCloseTo(0.5, 1);
  });
});

describe("a window of probes", () => {
  const fill = (window: ProbeWindow, count: number, loss: number, startMs = 0, stepMs = 100): number => {
    const random = seededRandom(7);
    for (let nth = 0; nth < count; nth++) window.add(random.next() >= loss, startMs + nth * stepMs);
    return startMs + count * stepMs;
  };

  it("tells no share of fewer probes than it takes to mean something", () => {
    const window = new ProbeWindow();
    fill(window, PROBES_MIN - 1, 0.5);
    expect(window.lossPercent(0)).toBeNull();
    window.add(true, 0);
    expect(window.lossPercent(0)).not.toBeNull();
  });

  it.each([0, 0.01, 0.05, 0.2])("comes within a fifth of a true loss of %d once it is full", (loss) => {
    const window = new ProbeWindow();
    const nowMs = fill(window, 4_000, loss);
    expect(Math.abs((window.lossPercent(nowMs) ?? NaN) - 100 * loss)).toBeLessThanOrEqual(
      20 * loss + 0.3 * Number(loss > 0),
    );
  });

  it("follows a link that changes: after its length nothing of the old is left", () => {
    const window = new ProbeWindow();
    const changedMs = fill(window, 4_000, 0.2);
    const nowMs = fill(window, 4_000, 0, changedMs);
    expect(window.lossPercent(nowMs)).toBe(0);
  });

  it("forgets probes by their age, too", () => {
    const window = new ProbeWindow();
    fill(window, 100, 0.5);
    expect(window.lossPercent(60_000)).not.toBeNull();
    expect(window.lossPercent(1_000_000)).toBeNull();
  });

  it("takes silence for a wall, not for loss, and begins anew when the wall has gone", () => {
    const window = new ProbeWindow();
    fill(window, 100, 0);
    for (let nth = 0; nth < SILENT_PROBES; nth++) window.add(false, 10_000);
    expect([window.isWalled, window.lossPercent(10_000)]).toEqual([true, null]);
    for (let nth = 0; nth < 500; nth++) window.add(false, 10_000);
    fill(window, PROBES_MIN, 0, 10_000);
    expect([window.isWalled, window.lossPercent(10_000)]).toEqual([false, 0]);
  });
});

describe("quality", () => {
  const none = { latencyMs: null, lossPercent: null, bandwidthMbps: null, reliability: null };

  it("is null without a latency, and the geometric mean of what is known", () => {
    expect(qualityOf({ ...none, reliability: 1 })).toBeNull();
    expect(qualityOf({ ...none, latencyMs: 100 })).toBe(0.5);
    expect(qualityOf({ ...none, latencyMs: 100, reliability: 1 })).toBeCloseTo(Math.SQRT1_2);
    expect(qualityOf({ latencyMs: 100, lossPercent: 10, bandwidthMbps: 10, reliability: 0.5 })).toBeCloseTo(
      0.5,
    );
  });

  it("is nothing where a fifth is lost, however good the rest is", () => {
    expect(qualityOf({ latencyMs: 1, lossPercent: 20, bandwidthMbps: 1_000, reliability: 1 })).toBe(0);
  });
});

describe("figures of a peer", () => {
  it("come within a fifth of a latency that has changed, after half of the window", () => {
    const book = new FigureBook();
    for (let nth = 0; nth < 15; nth++) book.ponged(1, nth);
    for (let nth = 0; nth < 8; nth++) book.ponged(41, 15 + nth);
    expect(book.latencyMs(30)).toBe(41);
  });

  it("are not moved by some pings that came late, because a packet was sent again", () => {
    const book = new FigureBook();
    for (let nth = 0; nth < 15; nth++) book.ponged(nth % 3 === 0 ? 260 : 40, nth);
    expect(book.latencyMs(30)).toBe(40);
  });
});
