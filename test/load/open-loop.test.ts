import { describe, expect, it } from "vitest";
import { Ledger } from "../../src/load/ledger.ts";
import { runOpenLoop, type OpenLoopOptions, type Progress } from "../../src/load/open-loop.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { FakeTarget, schedule, settled, type FakeServer } from "./fake-target.ts";

function stage(server: Partial<FakeServer> = {}, rest: Partial<OpenLoopOptions> = {}) {
  const clock = manualClock();
  const target = new FakeTarget({ clock, ...server });
  const told: Progress[] = [];
  const options: OpenLoopOptions = {
    schedule: schedule(100, 3_000),
    target,
    ledger: new Ledger(),
    clock,
    outstandingMax: 10_000,
    drainMs: 60_000,
    signal: new AbortController().signal,
    onProgress: (progress) => told.push(progress),
    ...rest,
  };
  return { clock, target, told, options, start: () => runOpenLoop(options) };
}

const within = (value: number | null, ms: number, slackMs: number): void => {
  expect(value).not.toBeNull();
  expect(Math.abs((value ?? 0) - ms)).toBeLessThanOrEqual(slackMs);
};

describe("coordinated omission", () => {
  it("a target that stands still for a second shows it in every arrival planned in that second", async () => {
    const { clock, start } = stage({ stall: { fromMs: 1_000, toMs: 2_000 } });
    const { timeline, counts, percentiles } = await settled(clock, start());
    expect(counts).toMatchObject({ offered: 300, completed: 300, notSent: 0 });
    // Of the hundred planned in the second of the stall, the first waits it out whole and the last one a hundredth.
    within(timeline[1]?.p50 ?? null, 510, 11);
    within(timeline[1]?.p99 ?? null, 990, 11);
    expect(timeline[0]?.p99).toBeLessThan(1);
    expect(timeline[2]?.p99).toBeLessThan(1);
    // A third of all arrivals were planned in it: nine in ten of all are above nothing, three in ten are above it.
    within(percentiles.completed.p90, 700, 11);
    within(percentiles.completed.max, 1_000, 2);
  });

  it("a generator that stands still for a second charges it to every arrival planned in that second", async () => {
    const { clock, options } = stage();
    // Time passes within one turn: the generator's thread is blocked, and no timer of its own can fire.
    let blocked = false;
    const leap = { ms: 0 };
    const slow = {
      wallNow: () => clock.wallNow(),
      now: () => clock.now() + leap.ms,
      at: (atMs: number, run: () => void) => clock.at(Math.max(clock.now(), atMs - leap.ms), run),
    };
    const { target } = options;
    const send = target.send.bind(target);
    target.send = (request) => {
      if (request === 100 && !blocked) {
        blocked = true;
        leap.ms = 1_000;
      }
      return send(request);
    };
    const figures = await settled(clock, runOpenLoop({ ...options, clock: slow }));
    expect(figures.counts).toMatchObject({ offered: 300, sent: 300, completed: 300 });
    within(figures.timeline[1]?.p50 ?? null, 500, 15);
    within(figures.percentiles.completed.p90, 700, 15);
    within(figures.percentiles.acknowledged.p90, 700, 15);
    within(figures.percentiles.generatorLag.max, 990, 11);
    // What a closed loop would have reported: one request was slow.
    within(figures.percentiles.service.p99, 0, 1);
    within(figures.percentiles.service.max, 1_000, 2);
  });
});

describe("an open loop", () => {
  it("sends each arrival at its planned time, when it can", async () => {
    const { clock, start } = stage();
    const { percentiles } = await settled(clock, start());
    expect(percentiles.generatorLag).toMatchObject({ count: 300, max: 0.001 });
  });

  it("sends everything that fell due in a stall, in order, none of it dropped", async () => {
    const order: number[] = [];
    const { clock, target, options } = stage({}, { schedule: schedule(5_000, 2_000) });
    const send = target.send.bind(target);
    target.send = (request) => {
      order.push(request);
      return send(request);
    };
    const wake = { skips: true };
    const sleepy = {
      ...clock,
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      // The first timer comes a second and a half late, all others when they should.
      at: (atMs: number, run: () => void) => {
        const lateMs = wake.skips && atMs < 100 ? 1_500 : 0;
        if (lateMs > 0) wake.skips = false;
        return clock.at(atMs + lateMs, run);
      },
    };
    const { counts } = await settled(clock, runOpenLoop({ ...options, clock: sleepy }));
    expect(counts).toMatchObject({ offered: 10_000, sent: 10_000, completed: 10_000 });
    expect(order).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  });

  it("counts an arrival above the bound as not sent, and sends again when there is room", async () => {
    const { clock, start } = stage({ stall: { fromMs: 1_000, toMs: 2_000 } }, { outstandingMax: 30 });
    const { counts, timeline } = await settled(clock, start());
    expect(counts).toMatchObject({ offered: 300, sent: 230, notSent: 70, completed: 230, unfinished: 0 });
    expect(timeline.map((row) => [row.offered, row.notSent])).toEqual([
      [100, 0],
      [100, 70],
      [100, 0],
    ]);
  });

  it("keeps the warm-up out of every figure, and counts it", async () => {
    const plan = schedule(100, 1_000, 2_000);
    const { clock, start } = stage({ stall: { fromMs: 0, toMs: 1_000 } }, { schedule: plan });
    const { counts, warmup, percentiles, timeline } = await settled(clock, start());
    expect(warmup).toMatchObject({ sent: 200, completed: 200, unfinished: 0 });
    expect(counts).toMatchObject({ sent: 100, completed: 100 });
    expect(percentiles.completed).toMatchObject({ count: 100, max: 0.001 });
    expect(timeline).toHaveLength(1);
  });

  it("gives every arrival exactly one place, and the seconds add up to it", async () => {
    const refuses = [7, 8, 150];
    const fails = [9, 250];
    const { clock, start } = stage(
      { refuses, fails, neverEnds: [11, 299], stall: { fromMs: 400, toMs: 900 } },
      { outstandingMax: 20, drainMs: 5_000 },
    );
    const { counts, timeline } = await settled(clock, start());
    const errors = Object.values(counts.errors).reduce((sum, count) => sum + count, 0);
    expect(counts.offered).toBe(300);
    expect(counts.notSent + counts.completed + errors + counts.unfinished).toBe(300);
    expect(counts).toMatchObject({ errors: { MAILBOX_FULL: 3, HANDLER_FAILED: 2 }, unfinished: 2 });
    const sum = (value: (row: (typeof timeline)[number]) => number): number =>
      timeline.reduce((total, row) => total + value(row), 0);
    expect(sum((row) => row.offered)).toBe(counts.offered);
    expect(sum((row) => row.notSent)).toBe(counts.notSent);
    expect(sum((row) => row.sent)).toBe(counts.sent);
    expect(sum((row) => row.acknowledged)).toBe(counts.acknowledged);
    expect(sum((row) => row.completed)).toBe(counts.completed);
    expect(sum((row) => Object.values(row.errors).reduce((total, count) => total + count, 0))).toBe(errors);
  });

  it("gives the percentiles of a second from all that was planned in it, whenever it ended", async () => {
    const { clock, start } = stage({ stall: { fromMs: 0, toMs: 300 }, delayMs: 5 });
    const { timeline } = await settled(clock, start());
    within(timeline[0]?.p50 ?? null, 5, 1);
    within(timeline[0]?.p99 ?? null, 295, 11);
    const { clock: later, start: startLater } = stage({ stall: { fromMs: 1_900, toMs: 2_500 } });
    const { timeline: rows } = await settled(later, startLater());
    within(rows[1]?.p50 ?? null, 0, 1);
    within(rows[1]?.p99 ?? null, 590, 11);
  });

  it("waits for what is outstanding, and gives up after its time", async () => {
    const { clock, start } = stage({ neverEnds: [5] }, { drainMs: 4_000 });
    const { counts } = await settled(clock, start(), 100);
    expect(counts).toMatchObject({ completed: 299, unfinished: 1 });
    // The last arrival was planned at 2,990 ms.
    within(clock.now(), 6_990, 100);
    expect(clock.pending).toBe(0);
  });

  it("stops the arrivals at a signal, and still waits for what is outstanding", async () => {
    const stop = new AbortController();
    const { clock, start } = stage({ serviceMs: 20 }, { signal: stop.signal });
    const running = start();
    await clock.advance(1_000);
    stop.abort();
    const { counts, completedPerSecond } = await settled(clock, running);
    expect(counts).toMatchObject({ offered: 101, sent: 101, completed: 101, unfinished: 0 });
    within(completedPerSecond, 50, 1);
  });

  it("sends nothing when the signal was aborted before", async () => {
    const { clock, start } = stage({}, { signal: AbortSignal.abort() });
    expect((await settled(clock, start())).counts).toMatchObject({ offered: 0 });
  });

  it("tells once a second how far it has come", async () => {
    const { clock, start, told } = stage({ serviceMs: 1 }, { schedule: schedule(100, 2_000, 1_000) });
    await settled(clock, start(), 3_500);
    expect(told.map(({ phase, elapsedMs, counts }) => [phase, elapsedMs, counts.offered])).toEqual([
      ["measuring", 0, 0],
      ["measuring", 1_000, 100],
    ]);
    expect(told[1]?.latest).toMatchObject({ second: 0, offered: 100 });
    within(told[1]?.latest?.p99 ?? null, 1, 0.01);
  });
});
