/**
 * Time, chance and turns as injected services. Every deterministic core takes them from outside, so that a test or
 * a simulation can hand in a clock that only moves when told, a seeded generator, and a scheduler that picks the
 * order of turns.
 */

/** A timer that has been set; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Time. `systemClock` is the real one. */
export interface Clock {
  /**
   * Monotonic milliseconds with an arbitrary origin that is the same in every thread of this process (unlike
   * `performance.now()`, which starts anew in each). For deadlines and durations.
   */
  now(): number;
  /** Milliseconds since 1970 UTC. May jump. Only for what is shown to people or kept on disk. */
  wallNow(): number;
  /**
   * Calls `run` once, not before `atMs` (on the scale of `now`). The timer does not keep the process alive.
   */
  at(atMs: number, run: () => void): Timer;
}

/** Chance. Not for secrets. */
export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  next(): number;
}

/** Decides when something that is ready runs; never synchronously within `schedule`. */
export interface Scheduler {
  schedule(run: () => void): void;
}

/** Longest delay that Node's timers take; a longer one would end at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** `performance.now()` starts anew in each thread but is the cheapest clock; the offset puts it on one scale. */
const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => OFFSET_MS + performance.now(),
  wallNow: () => Date.now(),
  at(atMs, run) {
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const delayMs = Math.ceil(Math.max(0, atMs - systemClock.now()));
      handle = setTimeout(fire, Math.min(delayMs, TIMER_MS_MAX));
      handle.unref();
    };
    // Node counts a delay from the start of the current turn of the loop, not from the call, so a timer set late in
    // a busy turn comes early; one that is further away than Node's longest delay comes early as well.
    const fire = (): void => (systemClock.now() < atMs ? arm() : run());
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

export const systemRandom: Random = { next: () => Math.random() };

export const systemScheduler: Scheduler = { schedule: (run) => void setImmediate(run) };
