import { assert } from "../../src/errors/index.ts";
import type { Clock, Timer } from "../../src/scope/index.ts";
import { microtasksDrained } from "./microtasks.ts";

/** A clock that moves only when told. Everything that takes a `Clock` can be driven by it, without waiting. */
export interface ManualClock extends Clock {
  /**
   * Moves `ms` ahead and resolves when everything due has run. Timers fire in order of time, then of setting, each at
   * its own time; before the first, between two and after the last, all microtasks run, so a timer that is set on the
   * way and falls due on the way fires on the way.
   *
   * Rejects with what a timer's callback threw; the clock then stands at that timer's time and the rest is pending.
   */
  advance(ms: number): Promise<void>;
  /** Timers set and neither fired nor cancelled. */
  readonly pending: number;
  /** When the next timer is due; `Infinity` when none is. Lets a simulation skip the time in which nothing happens. */
  readonly nextAtMs: number;
  /** `wallNow() - now()`. Assign to it to let the wall clock jump while monotonic time runs on. */
  wallOffsetMs: number;
}

interface PendingTimer {
  readonly atMs: number;
  readonly run: () => void;
}

/** 2026-01-01: a date at which a test that forgets to hand in a clock is told apart from one that does not. */
const WALL_START_MS = Date.UTC(2026, 0, 1);

/**
 * @param startMs Where monotonic time starts; its origin is arbitrary, so a test may pick an awkward one.
 * @param drained Waits until all microtasks have run.
 */
export function manualClock(startMs = 0, drained = microtasksDrained): ManualClock {
  let nowMs = startMs;
  let advancing = false;
  /** In the order in which they fire. */
  const timers: PendingTimer[] = [];

  const clock: ManualClock = {
    wallOffsetMs: WALL_START_MS - startMs,
    now: () => nowMs,
    wallNow: () => nowMs + clock.wallOffsetMs,
    at: (atMs, run): Timer => {
      assert(!Number.isNaN(atMs), "a timer has a time");
      const timer = { atMs, run };
      timers.splice(timers.findLastIndex((each) => each.atMs <= atMs) + 1, 0, timer);
      return {
        cancel: () => {
          const index = timers.indexOf(timer);
          if (index !== -1) timers.splice(index, 1);
        },
      };
    },
    async advance(ms) {
      assert(ms >= 0 && ms < Infinity, `time moves ahead by a finite span, not by ${ms} ms`);
      assert(!advancing, "an earlier advance has not ended: await it");
      advancing = true;
      try {
        const targetMs = nowMs + ms;
        await drained();
        for (let timer = timers[0]; timer && timer.atMs <= targetMs; timer = timers[0]) {
          timers.shift();
          // A timer set for the past fires now: time never runs backwards.
          nowMs = Math.max(nowMs, timer.atMs);
          timer.run();
          await drained();
        }
        nowMs = targetMs;
      } finally {
        advancing = false;
      }
    },
    get pending() {
      return timers.length;
    },
    get nextAtMs() {
      return timers[0]?.atMs ?? Infinity;
    },
  };
  return clock;
}
