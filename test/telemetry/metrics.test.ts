import { once } from "node:events";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { METRICS, attachMetrics, createMetricsBlock, readMetrics } from "../../src/telemetry/index.ts";

const read = (...blocks: { buffer: SharedArrayBuffer }[]) => readMetrics(blocks.map(({ buffer }) => buffer));

describe("the catalogue of metrics", () => {
  it("names every metric once, in base units, counters ending in _total", () => {
    const rows = Object.values(METRICS);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const { kind, name, unit, means } of rows) {
      expect(name).toMatch(/^mcplusplus_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(kind === "counter");
      if (unit !== "1") expect(name.replace(/_total$/, "")).toMatch(new RegExp(`_${unit}$`));
      expect(means).toMatch(/\.$/);
    }
  });

  it("gives every metric cells of its own", () => {
    const block = createMetricsBlock();
    for (const metric of Object.values(METRICS)) {
      if (metric.kind === "counter") block.count(metric);
      else if (metric.kind === "gauge") block.set(metric, 2);
      else block.observe(metric, 3);
    }
    const { counters, gauges, histograms } = read(block);
    expect(new Set(Object.values(counters))).toEqual(new Set([1]));
    expect(new Set(Object.values(gauges))).toEqual(new Set([2]));
    expect(
      Object.values(histograms).every(({ count, sum, max }) => count === 1 && sum === 3 && max === 3),
    ).toBe(true);
  });
});

describe("a block of metrics", () => {
  it("starts with every figure at zero and every quantile unknown", () => {
    const { counters, histograms } = read(createMetricsBlock());
    expect(counters.messagesSent).toBe(0);
    expect(histograms.fsyncSeconds).toEqual({ count: 0, sum: 0, p50: null, p95: null, p99: null, max: null });
  });

  it("adds up the blocks of all threads, and takes the largest of their maxima", () => {
    const [one, other] = [createMetricsBlock(), createMetricsBlock()];
    one.count(METRICS.messagesSent, 40);
    other.count(METRICS.messagesSent, 2);
    one.set(METRICS.tasksQueued, 5);
    other.set(METRICS.tasksQueued, 6);
    one.observe(METRICS.taskRunSeconds, 7);
    other.observe(METRICS.taskRunSeconds, 1);
    const snapshot = read(one, other);
    expect(snapshot.counters.messagesSent).toBe(42);
    expect(snapshot.gauges.tasksQueued).toBe(11);
    expect(snapshot.histograms.taskRunSeconds).toMatchObject({ count: 2, sum: 8, max: 7 });
  });

  it("is written in one thread and read in another", async () => {
    const block = createMetricsBlock();
    const door = new URL("../../src/telemetry/index.ts", import.meta.url).href;
    const writer = new Worker(
      `import(${JSON.stringify(door)}).then(({ METRICS, attachMetrics }) => {
         attachMetrics(require("node:worker_threads").workerData).count(METRICS.restarts, 3);
       });`,
      { eval: true, workerData: block.buffer },
    );
    await once(writer, "exit");
    expect(read(block).counters.restarts).toBe(3);
  });

  it("continues the figures of a block that it is attached to", () => {
    const block = createMetricsBlock();
    block.count(METRICS.parks);
    attachMetrics(block.buffer).count(METRICS.parks);
    expect(read(block).counters.parks).toBe(2);
  });

  it("refuses a buffer of another geometry", () => {
    const foreign = new SharedArrayBuffer(64);
    expect(() => attachMetrics(foreign)).toThrow(expect.objectContaining({ code: "PROTOCOL_MISMATCH" }));
    expect(() => readMetrics([foreign])).toThrow(expect.objectContaining({ code: "PROTOCOL_MISMATCH" }));
  });
});

describe("a histogram", () => {
  it("gives quantiles that are at most 1/32 off within its range", () => {
    const value = fc.double({ min: 2 ** -20, max: 2 ** 14 - 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), (values) => {
        const block = createMetricsBlock();
        for (const each of values) block.observe(METRICS.taskWaitSeconds, each);
        const sorted = values.toSorted((a, b) => a - b);
        const { p50, p95, p99, max, count } = read(block).histograms.taskWaitSeconds;
        expect(count).toBe(values.length);
        expect(max).toBe(sorted.at(-1));
        for (const [share, found] of [
          [0.5, p50],
          [0.95, p95],
          [0.99, p99],
        ] as const) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
          expect(Math.abs((found ?? 0) - exact)).toBeLessThanOrEqual(exact / 32);
        }
      }),
    );
  });

  it("reads values below its range as zero and values above it as the largest one seen", () => {
    const block = createMetricsBlock();
    block.observe(METRICS.taskRunSeconds, 1e-9);
    expect(read(block).histograms.taskRunSeconds.p50).toBe(0);
    block.observe(METRICS.taskRunSeconds, 1e6);
    expect(read(block).histograms.taskRunSeconds).toMatchObject({ p50: 0, p99: 1e6, max: 1e6 });
  });

  it("counts a negative value as zero and records nothing that is not finite", () => {
    const block = createMetricsBlock();
    block.observe(METRICS.fsyncSeconds, -1);
    block.observe(METRICS.fsyncSeconds, Number.NaN);
    block.observe(METRICS.fsyncSeconds, Number.POSITIVE_INFINITY);
    expect(read(block).histograms.fsyncSeconds).toMatchObject({ count: 1, sum: 0, max: 0 });
  });
});
