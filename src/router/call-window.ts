import { LIMITS } from "../errors/index.ts";
import type { CallFigures } from "./router.protocol.ts";

/** Counts all calls of something, and keeps the times of the last 1,000: some 8 kB. */
export class CallWindow {
  #calls = 0;
  #failures = 0;
  /** A ring once it is full: call number n stands at n modulo the window. */
  readonly #durationsMs: number[] = [];

  add(durationMs: number, ok: boolean): void {
    this.#durationsMs[this.#calls % LIMITS.router.windowCalls] = durationMs;
    this.#calls += 1;
    if (!ok) this.#failures += 1;
  }

  get calls(): number {
    return this.#calls;
  }

  figures(): CallFigures {
    const sorted = Float64Array.from(this.#durationsMs).sort();
    const sum = sorted.reduce((total, each) => total + each, 0);
    return {
      calls: this.#calls,
      failures: this.#failures,
      meanMs: sorted.length === 0 ? 0 : sum / sorted.length,
      minMs: sorted[0] ?? 0,
      p50Ms: nearestRank(sorted, 50),
      p95Ms: nearestRank(sorted, 95),
      p99Ms: nearestRank(sorted, 99),
      maxMs: nearestRank(sorted, 100),
    };
  }
}

/**
 * The smallest value that at least `percent` percent of all values do not exceed: always one that was measured.
 *
 * @param sorted ascending
 * @see https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
 */
function nearestRank(sorted: Float64Array, percent: number): number {
  return sorted[Math.ceil((percent * sorted.length) / 100) - 1] ?? 0;
}
