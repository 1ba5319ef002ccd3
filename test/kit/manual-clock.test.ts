import { array, assert, asyncProperty, integer } from "fast-check";
import { describe, expect, it } from "vitest";
import { manualClock } from "./manual-clock.ts";

describe("a manual clock", () => {
  it("stands still until it is told to move", () => {
    const clock = manualClock(50);
    expect(clock.now()).toBe(50);
    expect(clock.now()).toBe(50);
  });

  it("fires a timer at its time, not before", async () => {
    const clock = manualClock();
    const fired: number[] = [];
    clock.at(100, () => fired.push(clock.now()));
    await clock.advance(99);
    expect(fired).toEqual([]);
    await clock.advance(1);
    expect(fired).toEqual([100]);
    await clock.advance(1_000);
    expect(fired).toEqual([100]);
  });

  it("fires timers in order of time, and those of one time in order of setting", async () => {
    await assert(
      asyncProperty(array(integer({ min: 0, max: 9 })), async (times) => {
        const clock = manualClock();
        const fired: (readonly [number, number])[] = [];
        times.forEach((atMs, index) => clock.at(atMs, () => fired.push([atMs, index])));
        await clock.advance(9);
        const expected = times.map((atMs, index) => [atMs, index] as const);
        expect(fired).toEqual(expected.toSorted(([a, i], [b, j]) => a - b || i - j));
      }),
      { numRuns: 50 },
    );
  });

  it("shows each timer its own time, and ends at the time it was told to reach", async () => {
    const clock = manualClock();
    const seen: number[] = [];
    clock.at(10, () => seen.push(clock.now()));
    clock.at(20, () => seen.push(clock.now()));
    await clock.advance(30);
    expect([...seen, clock.now()]).toEqual([10, 20, 30]);
  });

  it("lets all microtasks run before the first timer, between two, and after the last", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const say = async (word: string): Promise<void> => {
      for (let hop = 0; hop < 20; hop++) await Promise.resolve();
      log.push(word);
    };
    for (const atMs of [10, 20]) {
      clock.at(atMs, () => {
        log.push(`timer ${atMs}`);
        void say(`after ${atMs}`);
      });
    }
    void say("before");
    await clock.advance(20);
    expect(log).toEqual(["before", "timer 10", "after 10", "timer 20", "after 20"]);
  });

  it("fires on the way what is set on the way and due on the way", async () => {
    const clock = manualClock();
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.now());
      clock.at(clock.now() + 10, again);
    };
    clock.at(10, again);
    await clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
    expect(clock.pending).toBe(1);
  });

  it("fires a timer for the past at once when it moves, without going back", async () => {
    const clock = manualClock(100);
    const fired: number[] = [];
    clock.at(40, () => fired.push(clock.now()));
    expect(fired).toEqual([]);
    await clock.advance(0);
    expect(fired).toEqual([100]);
  });

  it("never fires a cancelled timer, and cancelling twice or late changes nothing", async () => {
    const clock = manualClock();
    let fired = 0;
    const cancelled = clock.at(10, () => fired++);
    const kept = clock.at(10, () => fired++);
    cancelled.cancel();
    cancelled.cancel();
    await clock.advance(10);
    kept.cancel();
    expect(fired).toBe(1);
  });

  it("counts what is pending and knows when the next is due", async () => {
    const clock = manualClock();
    expect([clock.pending, clock.nextAtMs]).toEqual([0, Infinity]);
    clock.at(20, () => {});
    const first = clock.at(10, () => {});
    expect([clock.pending, clock.nextAtMs]).toEqual([2, 10]);
    first.cancel();
    expect([clock.pending, clock.nextAtMs]).toEqual([1, 20]);
    await clock.advance(20);
    expect([clock.pending, clock.nextAtMs]).toEqual([0, Infinity]);
  });

  it("moves the wall clock along, and lets it jump alone", async () => {
    const clock = manualClock(7);
    expect(clock.wallNow()).toBe(Date.UTC(2026, 0, 1));
    await clock.advance(500);
    expect(clock.wallNow()).toBe(Date.UTC(2026, 0, 1) + 500);
    clock.wallOffsetMs -= 3_600_000;
    expect(clock.wallNow()).toBe(Date.UTC(2026, 0, 1) + 500 - 3_600_000);
    expect(clock.now()).toBe(507);
  });

  it("passes on what a timer throws, stands at that time, and keeps the rest", async () => {
    const clock = manualClock();
    clock.at(10, () => {
      throw new Error("bang");
    });
    clock.at(20, () => {});
    await expect(clock.advance(30)).rejects.toThrow("bang");
    expect([clock.now(), clock.pending]).toEqual([10, 1]);
    await clock.advance(20);
    expect([clock.now(), clock.pending]).toEqual([30, 0]);
  });

  it("refuses to go back, to move for ever, to be moved by two at once, and a timer without a time", async () => {
    const clock = manualClock();
    await expect(clock.advance(-1)).rejects.toThrow("not by -1 ms");
    await expect(clock.advance(Infinity)).rejects.toThrow("not by Infinity ms");
    await expect(clock.advance(NaN)).rejects.toThrow("not by NaN ms");
    const first = clock.advance(1);
    await expect(clock.advance(1)).rejects.toThrow("await it");
    await first;
    expect(() => clock.at(NaN, () => {})).toThrow("a timer has a time");
  });
});
