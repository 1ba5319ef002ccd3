import type { Clock, Timer } from "../scope/index.ts";

/** Calls once, not before a moment of the wall clock, which may be set meanwhile. */
export class WallAlarm {
  readonly #clock: Clock;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param atMs milliseconds since 1970; Infinity = never */
  set(atMs: number, run: () => void): void {
    this.cancel();
    if (atMs === Infinity) return;
    const leftMs = Math.max(0, atMs - this.#clock.wallNow());
    this.#timer = this.#clock.at(this.#clock.now() + leftMs, () => {
      if (this.#clock.wallNow() < atMs) this.set(atMs, run);
      else run();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
