import type { Clock } from "../scope/index.ts";

/**
 * The wall clock, made fit to tell ages by: when it is set ahead, what was made a moment ago must not look old. Then it
 * goes on from where it was, at the pace of the monotonic clock, and follows when `settleMs` have passed, since by then
 * nothing is under way any more that began before. When it is set back, it follows at once.
 */
export class CautiousTime {
  readonly #clock: Clock;
  readonly #settleMs: number;
  /** From the monotonic clock to this one. */
  #offsetMs: number;
  /** What is to be followed: how far the wall clock was ahead, and since when it has been at least that far. */
  #ahead: { offsetMs: number; readonly sinceMs: number } | null = null;

  constructor(clock: Clock, settleMs: number) {
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#offsetMs = clock.wallNow() - clock.now();
  }

  /**
   * A moment of the monotonic clock on this one, as far as it has been set by now, in milliseconds since 1970: not later
   * than the wall clock would say.
   */
  of(monotonicMs: number): number {
    const nowMs = this.#clock.now();
    this.#look(this.#clock.wallNow() - nowMs, nowMs);
    return this.#offsetMs + monotonicMs;
  }

  #look(offsetMs: number, monotonicMs: number): void {
    if (offsetMs <= this.#offsetMs) {
      this.#offsetMs = offsetMs;
      this.#ahead = null;
      return;
    }
    this.#ahead ??= { offsetMs, sinceMs: monotonicMs };
    this.#ahead.offsetMs = Math.min(this.#ahead.offsetMs, offsetMs);
    if (monotonicMs - this.#ahead.sinceMs < this.#settleMs) return;
    this.#offsetMs = this.#ahead.offsetMs;
    // It may have been set further ahead only just now.
    this.#ahead = offsetMs > this.#offsetMs ? { offsetMs, sinceMs: monotonicMs } : null;
  }
}
