import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Latencies } from "../../src/load/latencies.ts";

const PER_MILLE = 0.001;

function recorded(values: readonly number[]): Latencies {
  const latencies = new Latencies();
  for (const value of values) latencies.record(value);
  return latencies;
}

it("a percentile is that of the values themselves, to three digits, from a microsecond to an hour", () => {
  const values = fc.array(fc.double({ min: 0.001, max: 3_600_000, noNaN: true }), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(values, fc.constantFrom(50, 90, 99, 99.9, 100), (list, percentile) => {
      const exact = list.toSorted((a, b) => a - b)[
        Math.max(0, Math.ceil((list.length * percentile) / 100) - 1)
      ];
      const told = recorded(list).at(percentile);
      // Half a microsecond of rounding, besides.
      const slackMs = (exact ?? 0) * PER_MILLE + 0.000_5;
      expect(Math.abs((told ?? Number.NaN) - (exact ?? 0))).toBeLessThanOrEqual(slackMs + 1e-9);
    }),
  );
});

it("nothing recorded has no percentiles, rather than zeros", () => {
  expect(new Latencies().percentiles()).toEqual({
    count: 0,
    mean: null,
    p50: null,
    p90: null,
    p99: null,
    p99_9: null,
    p99_99: null,
    max: null,
    clipped: 0,
  });
  expect(new Latencies().curve()).toEqual([]);
});

it("what lies outside counts as the nearest end, and what took above an hour is counted apart", () => {
  const { count, max, clipped } = recorded([0, -1, 4_000_000]).percentiles();
  expect([count, clipped]).toEqual([3, 1]);
  expect(max).toBeGreaterThan(3_599_000);
  expect(max).toBeLessThan(3_604_000);
});

it("the encoded histogram is read by another implementation of the format, and merged with another", () => {
  const first = decodeFromCompressedBase64(recorded([1, 2, 3]).encode());
  first.add(decodeFromCompressedBase64(recorded([1_000]).encode()));
  expect(first.totalCount).toBe(4);
  expect(Math.abs(first.maxValue / 1_000_000 - 1)).toBeLessThan(PER_MILLE);
  expect(first.getValueAtPercentile(50)).toBe(2_000);
});

it("the curve rises to the percentile at which one value decides, and no further", () => {
  const points = recorded(Array.from({ length: 1_024 }, (_, index) => index + 1)).curve(1);
  expect(points.map(({ percentile }) => percentile).slice(0, 4)).toEqual([0, 50, 75, 87.5]);
  expect(points.at(-1)?.percentile).toBeCloseTo(100 - 100 / 1_024, 6);
  expect(points.every(({ ms }, index) => ms >= (points[index - 1]?.ms ?? 0))).toBe(true);
});

it("after a reset it is as new", () => {
  const latencies = recorded([5, 9_999_999]);
  latencies.reset();
  expect(latencies.percentiles()).toEqual(new Latencies().percentiles());
});
