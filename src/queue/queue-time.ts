import type { Clock } from "../scope/index.ts";

/**
 * The wall clock, made fit to reckon with: it never goes back. When the machine's clock is set back, time goes on from
 * where it was at the pace of the monotonic clock; when it is set forward, time follows.
 */
export class QueueTime {
  readonly #clock: Clock;
  #lastMs: number;
  #monotonicMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.wallNow();
    this.#monotonicMs = clock.now();
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    const monotonicMs = this.#clock.now();
    const goneOnMs = this.#lastMs + (monotonicMs - this.#monotonicMs);
    this.#monotonicMs = monotonicMs;
    this.#lastMs = Math.max(this.#clock.wallNow(), goneOnMs);
    return Math.floor(this.#lastMs);
  }
}
