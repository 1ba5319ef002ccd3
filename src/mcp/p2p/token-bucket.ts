import type { Clock } from "../../scope/index.ts";

/**
 * So many at once, and so many more in each second.
 *
 * @see https://www.rfc-editor.org/rfc/rfc2697 (token buckets; there for bytes)
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #atMs: number;

  constructor(clock: Clock, capacity: number, perSecond: number) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#tokens = capacity;
    this.#atMs = clock.now();
  }

  /** Whether there was one. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whether nothing would change if it were made anew. */
  get isFull(): boolean {
    this.#refill();
    return this.#tokens >= this.#capacity;
  }

  #refill(): void {
    const nowMs = this.#clock.now();
    const gained = ((nowMs - this.#atMs) * this.#perSecond) / 1_000;
    this.#tokens = Math.min(this.#capacity, this.#tokens + gained);
    this.#atMs = nowMs;
  }
}
