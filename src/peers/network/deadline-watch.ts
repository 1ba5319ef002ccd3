import type { Clock, Timer } from "../../scope/index.ts";

/**
 * One timer for many deadlines, set to the earliest that was asked for. When it fires, all are looked through: that
 * happens once per timeout, not once per request.
 */
export class DeadlineWatch {
  readonly #clock: Clock;
  readonly #expire: (nowMs: number) => number;
  #timer: Timer | undefined;
  #atMs = Infinity;

  /** @param expire ends what is due, and returns when the next is; Infinity: nothing is under way */
  constructor(clock: Clock, expire: (nowMs: number) => number) {
    this.#clock = clock;
    this.#expire = expire;
  }

  by(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    this.#timer = this.#clock.at(atMs, () => {
      this.#atMs = Infinity;
      this.by(this.#expire(this.#clock.now()));
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#atMs = -Infinity;
  }
}
