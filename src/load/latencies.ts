import { build, encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js";

/** Milliseconds; null where nothing was recorded. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p99_9: number | null;
  readonly p99_99: number | null;
  readonly max: number | null;
  /** Values above one hour, which count as one hour. */
  readonly clipped: number;
}

/** One point of the curve over all percentiles. */
export interface CurvePoint {
  readonly percentile: number;
  readonly ms: number;
}

const US_PER_MS = 1_000;
const LEAST_US = 1;
/** One hour. */
const MOST_US = 3_600_000_000;
const DIGITS = 3;

/**
 * Latencies from 1 µs to 1 h with three significant digits, in memory that does not grow with their number.
 *
 * @see https://hdrhistogram.org
 */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: LEAST_US,
    highestTrackableValue: MOST_US,
    numberOfSignificantValueDigits: DIGITS,
    bitBucketSize: 32,
  });
  #clipped = 0;

  record(ms: number): void {
    const us = Math.round(ms * US_PER_MS);
    if (us > MOST_US) this.#clipped += 1;
    this.#histogram.recordValue(Math.min(Math.max(us, LEAST_US), MOST_US));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Null when nothing was recorded. */
  at(percentile: number): number | null {
    return this.count === 0 ? null : this.#histogram.getValueAtPercentile(percentile) / US_PER_MS;
  }

  percentiles(): Percentiles {
    const { count } = this;
    return {
      count,
      mean: count === 0 ? null : this.#histogram.mean / US_PER_MS,
      p50: this.at(50),
      p90: this.at(90),
      p99: this.at(99),
      p99_9: this.at(99.9),
      p99_99: this.at(99.99),
      max: this.at(100),
      clipped: this.#clipped,
    };
  }

  /**
   * The curve over the percentiles, for a drawing whose axis halves the rest at each step. It ends where a single
   * value would decide: with a thousand values there is no percentile above 99.9 to speak of.
   */
  curve(stepsPerHalf = 4): CurvePoint[] {
    const { count } = this;
    if (count === 0) return [];
    const steps = Math.floor(Math.log2(count) * stepsPerHalf);
    const shares = Array.from({ length: steps + 1 }, (_, step) => 1 - 2 ** (-step / stepsPerHalf));
    return shares.map((share) => ({ percentile: share * 100, ms: this.at(share * 100) ?? 0 }));
  }

  /** HdrHistogram V2, compressed, in base64, in microseconds: any implementation can read it and merge it. */
  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  reset(): void {
    this.#histogram.reset();
    this.#clipped = 0;
  }
}
