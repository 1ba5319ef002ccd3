import type { Clock, Scheduler, Timer } from "../scope/index.ts";

/** Least time between two searches for expired entries, so that many that expire one by one leave together. */
export const SWEEP_PAUSE_MS = 1_000;

export interface Expiring {
  /** By the wall clock, when the next entry expires; Infinity = none does. */
  nextMs(): number;
  /** Lets a slice of those that have expired leave. @returns whether some may be left */
  expireSome(): boolean;
}

/** One timer for all entries. It may come up to a pause late: an expired entry is a miss anyway. */
export class ExpiryTimer {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #expiring: Expiring;
  #timer: Timer | undefined;
  #atMs = Infinity;

  constructor(
    { clock, scheduler }: { readonly clock: Clock; readonly scheduler: Scheduler },
    expiring: Expiring,
  ) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#expiring = expiring;
  }

  /** Is to come when it is `wallAtMs`, or before. */
  arm(wallAtMs: number): void {
    if (wallAtMs === Infinity) return;
    const waitMs = Math.max(SWEEP_PAUSE_MS, wallAtMs - this.#clock.wallNow());
    const atMs = this.#clock.now() + waitMs;
    if (atMs >= this.#atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    this.#timer = this.#clock.at(atMs, () => this.#sweep());
  }

  cancel(): void {
    this.#timer?.cancel();
  }

  /** Slice by slice, with a turn for other messages in between. */
  #sweep(): void {
    if (this.#expiring.expireSome()) {
      // The time of the timer that fired stays until the last slice: it lies in the past, so no other is set.
      this.#scheduler.schedule(() => this.#sweep());
      return;
    }
    this.#atMs = Infinity;
    this.arm(this.#expiring.nextMs());
  }
}
