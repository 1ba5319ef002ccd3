/** When the arrivals of one run are planned. Times are on the scale of the clock that runs them. */
export interface ScheduleOptions {
  readonly ratePerSecond: number;
  readonly startMs: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/**
 * The timetable of an open loop: arrivals at a constant rate, which knows nothing of what it is sent to.
 *
 * Each time is computed from the start. Adding up intervals would drift by the rounding of each of them, and a
 * generator that waits for one interval after the other would stretch the load just when the system is slow.
 *
 * @see https://github.com/giltene/wrk2
 */
export class Schedule {
  readonly ratePerSecond: number;
  readonly startMs: number;
  /** From here on arrivals count. */
  readonly measuredFromMs: number;
  readonly measuredToMs: number;
  /** Arrivals in the warm-up: those with a lower number than this. */
  readonly warmupCount: number;
  /** All arrivals, the warm-up included. */
  readonly count: number;

  constructor({ ratePerSecond, startMs, warmupMs, durationMs }: ScheduleOptions) {
    this.ratePerSecond = ratePerSecond;
    this.startMs = startMs;
    this.measuredFromMs = startMs + warmupMs;
    this.measuredToMs = this.measuredFromMs + durationMs;
    this.warmupCount = Math.ceil((warmupMs * ratePerSecond) / 1_000);
    this.count = Math.ceil(((warmupMs + durationMs) * ratePerSecond) / 1_000);
  }

  plannedMs(arrival: number): number {
    return this.startMs + (arrival * 1_000) / this.ratePerSecond;
  }

  /** How many arrivals are planned at or before a time: those with a lower number are due. */
  dueBy(nowMs: number): number {
    if (nowMs < this.startMs) return 0;
    let due = Math.floor(((nowMs - this.startMs) * this.ratePerSecond) / 1_000) + 1;
    // Rounding may have led one too far, or not far enough; `plannedMs` decides.
    while (due > 0 && this.plannedMs(due - 1) > nowMs) due -= 1;
    while (this.plannedMs(due) <= nowMs) due += 1;
    return Math.min(due, this.count);
  }

  isMeasured(arrival: number): boolean {
    return arrival >= this.warmupCount;
  }
}
