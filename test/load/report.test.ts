import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { describe, expect, it } from "vitest";
import { documentOf, type LoadDocument } from "../../src/load/document.ts";
import { loadPage } from "../../src/load/page.ts";
import { runLoad, type LoadPlan } from "../../src/load/run-load.ts";
import { closingLines, liveView, plainView, silentView } from "../../src/load/view.ts";
import { warningsOf } from "../../src/load/warnings.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { FakeTarget, settled, type FakeServer } from "./fake-target.ts";

const PLAN: LoadPlan = {
  ratePerSecond: 50,
  durationMs: 2_000,
  warmupMs: 1_000,
  outstandingMax: 1_000,
  sweep: null,
};

async function documented(
  server: Partial<FakeServer> = {},
  plan: Partial<LoadPlan> = {},
): Promise<LoadDocument> {
  const clock = manualClock();
  const services = {
    clock,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    onStep: () => undefined,
  };
  const whole = { ...PLAN, ...plan };
  const target = new FakeTarget({ clock, serviceMs: 2, ...server });
  const outcome = await settled(clock, runLoad(whole, target, services));
  // What this machine had to do meanwhile is not the same twice.
  const quiet = { hostThreadBusy: 0.1, processors: 0.5, othersProcessors: 0, memoryMb: 100 };
  return documentOf(whole, { ...outcome, cost: quiet }, { pace: "timer", startedAt: new Date(0) });
}

describe("the document", () => {
  it("has the form of every benchmark, and everything that is needed to judge it", async () => {
    const load = await documented();
    expect(load).toMatchObject({
      suite: "load",
      node: process.version,
      durability: "memory",
      conditions: { ratePerSecond: 50, durationS: 2, warmupS: 1, startedAt: "1970-01-01T00:00:00.000Z" },
      counts: { offered: 100, completed: 100 },
      warmup: { sent: 50 },
      check: { passed: true, acknowledged: 150 },
      interrupted: false,
    });
    expect(load.results).toContainEqual({ name: "completed", value: 50, unit: "requests/s" });
    expect(load.results.every(({ value }) => Number.isFinite(value))).toBe(true);
    expect(JSON.parse(JSON.stringify(load))).toEqual(load);
  });

  it("holds the histograms whole, so that those of several runs can be merged", async () => {
    const { histograms, percentiles } = await documented();
    const read = decodeFromCompressedBase64(histograms.completed);
    expect(read.totalCount).toBe(100);
    expect(read.getValueAtPercentile(99) / 1_000).toBe(percentiles.completed.p99);
  });
});

describe("what a reader is warned of", () => {
  it("is nothing when there is nothing", async () => {
    expect(warningsOf(await documented())).toEqual([]);
  });

  it.each<[string, Partial<FakeServer>, Partial<LoadPlan>, RegExp]>([
    ["a failed check", { loses: [3] }, {}, /^The check failed/],
    ["what was not sent", { serviceMs: 50 }, { outstandingMax: 1 }, /of 100 arrivals were not sent/],
    ["what failed", { fails: [60, 61] }, {}, /^Requests that failed have no latency: 2 HANDLER_FAILED/],
    ["what did not end", { neverEnds: [60] }, {}, /^1 requests had not ended/],
  ])("is %s", async (_, server, plan, warning) => {
    const warnings = warningsOf(await documented(server, plan));
    expect(warnings.some((text) => warning.test(text))).toBe(true);
  });

  it("is a generator that was late, busy or not alone, and a disk that is none", async () => {
    const load = await documented();
    const { completed } = load.percentiles;
    const results = [
      { name: "generator thread busy", value: 93.4, unit: "%" },
      { name: "processors in use by others", value: load.cpus, unit: "cores" },
    ];
    const warnings = warningsOf({
      ...load,
      results,
      durability: "flushed",
      interrupted: true,
      conditions: { ...load.conditions, filesystem: "tmpfs: memory" },
      percentiles: { ...load.percentiles, generatorLag: completed },
    });
    expect(warnings.map((text) => text.split(/[:,]| kept/)[0])).toEqual([
      "It was interrupted",
      "The generator itself was late",
      "The generator's thread was busy 93 % of the time",
      "Other processes",
      "The data directory is in memory (tmpfs)",
    ]);
  });
});

describe("the page", () => {
  it("needs nothing from elsewhere, and no script", async () => {
    const html = loadPage(await documented({ serviceMs: 3 }, { sweep: { p99Ms: 50 }, durationMs: 1_000 }));
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<script|https?:|src=|@import/i);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(html).toContain("The way to the knee");
  });

  it("is whole when nothing completed, and for a single second", async () => {
    const nothing = loadPage(await documented({ stall: { fromMs: 0, toMs: 1e9 } }, { durationMs: 1_000 }));
    expect(nothing).not.toMatch(/NaN|undefined|Infinity/);
    expect(nothing).toContain("Every acknowledged request ended exactly once.");
    const second = loadPage(await documented({}, { durationMs: 1_000, warmupMs: 0 }));
    expect(second).not.toContain("to warm up");
    expect(second).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("shows text from outside as text", async () => {
    const load = await documented();
    const html = loadPage({ ...load, conditions: { ...load.conditions, action: "<b>&\"'" } });
    expect(html).toContain("&#60;b&#62;&#38;&#34;&#39;");
  });

  it("names what the check found", async () => {
    const html = loadPage(await documented({ doubles: [7], loses: [9] }));
    expect(html).toContain("Not every acknowledged request ended exactly once.");
    expect(html).toMatch(/Lost<\/th><td class="text">1 \(9\)/);
    expect(html).toMatch(/Ended twice<\/th><td class="text">1 \(7\)/);
  });
});

describe("the lines for people", () => {
  const counts = {
    offered: 60,
    sent: 58,
    notSent: 2,
    acknowledged: 58,
    completed: 50,
    errors: { X: 3 },
    unfinished: 5,
  };
  const row = { second: 0, ...counts, p50: 1.5, p99: 12 };
  const measuring = {
    phase: "measuring",
    ratePerSecond: 1_500,
    elapsedMs: 2_040,
    durationMs: 10_000,
    counts,
    underWay: 5,
    latest: row,
  } as const;
  const step = {
    ratePerSecond: 200,
    completedPerSecond: 150,
    p50: 1,
    p99: 250,
    notSent: 0,
    sustained: false,
  };

  it("a pipe gets one plain line for each second and each step", () => {
    const written: string[] = [];
    const view = plainView((text) => written.push(text));
    view.progress({ ...measuring, phase: "warm-up", elapsedMs: -1_200 });
    view.progress(measuring);
    view.progress({ ...measuring, phase: "draining", elapsedMs: 11_000, latest: undefined });
    view.step({ ...step, reasons: ["too slow"] });
    view.step({ ...step, sustained: true, reasons: [] });
    view.note("a note");
    view.end();
    expect(written).toEqual([
      "1,500/s warming up, 2 s to go, 5 under way\n",
      "1,500/s 2/10 s, 50 completed, 5 under way, 3 failed, 2 not sent, p50 1.50 ms, p99 12.0 ms\n",
      "1,500/s waiting for the rest, 50 completed, 5 under way, 3 failed, 2 not sent\n",
      "200/s: completed 150/s, p99 250 ms, not sustained: too slow\n",
      "200/s: completed 150/s, p99 250 ms, sustained\n",
      "a note\n",
    ]);
  });

  it("a terminal gets one line that is drawn over and never wraps, and notes stand above it", () => {
    const written: string[] = [];
    const view = liveView({ write: (text) => written.push(text), columns: () => 20 });
    view.progress(measuring);
    view.note("a note");
    view.note("another");
    view.progress(measuring);
    view.end();
    view.end();
    const line = "\r\x1b[2K1,500/s 2/10 s, 50 ";
    expect(written).toEqual([line, "\r\x1b[2Ka note\n", "another\n", line, "\n"]);
  });

  it("with --json nothing is told", () => {
    silentView.progress(measuring);
    silentView.step({ ...step, reasons: [] });
    silentView.note("x");
    silentView.end();
  });

  it("the last lines say what was offered, how long it took, and what the check found", async () => {
    expect(closingLines(await documented())).toEqual([
      "50/s, durability memory: 100 offered, 100 completed, 50 a second",
      expect.stringMatching(/^ +50 % +99 % +99\.9 % +max$/),
      expect.stringMatching(/^planned to acknowledged +1 µs +1 µs +1 µs +1 µs$/),
      expect.stringMatching(/^planned to completed +2\.00 ms +2\.00 ms/),
      expect.stringMatching(/^generator lag +1 µs/),
      "check passed: 150 acknowledged, each ended once",
    ]);
    expect(closingLines(await documented({ loses: [1], doubles: [2] }))).toContain(
      "check failed, of 150 acknowledged: 1 lost, 1 twice",
    );
    const swept = await documented({ serviceMs: 4 }, { sweep: { p99Ms: 50 }, durationMs: 1_000 });
    expect(closingLines(swept)[0]).toMatch(/^knee: 2\d\d requests a second$/);
  });
});
