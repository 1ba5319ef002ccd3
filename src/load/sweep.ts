import type { Figures } from "./recorder.ts";

/** What a step of a sweep came to. */
export interface SweepStep {
  readonly ratePerSecond: number;
  readonly completedPerSecond: number;
  /** Milliseconds; null when nothing completed. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly notSent: number;
  readonly sustained: boolean;
  /** Why it was not sustained, in words; empty when it was. */
  readonly reasons: readonly string[];
}

export interface Knee {
  /** The highest rate that was sustained; null when none was. */
  readonly ratePerSecond: number | null;
  /** The lowest rate that was not; null when all were. */
  readonly notSustained: number | null;
}

/** Completions that a sustained step has at least, of what was offered. */
export const SUSTAINED_SHARE = 0.97;
/** The search ends when the two rates on both sides of the knee are as near as this. */
const PRECISION = 1.03;

export interface KneeSearchOptions {
  readonly firstRate: number;
  readonly rateMax: number;
  readonly stepsMax: number;
}

/**
 * Looks for the highest rate that is sustained: doubles until a rate is not (or halves until one is), and then tries the
 * geometric mean of the two until they are near each other. Rates are whole numbers.
 *
 * A rate is given up only when it was not sustained twice in a row: one hiccup of the machine, at a tenth of what the
 * system can do, would else pass for the knee.
 */
export class KneeSearch {
  readonly #options: KneeSearchOptions;
  #steps = 0;
  #sustained: number | null = null;
  #notSustained: number | null = null;
  /** Was not sustained once. */
  #doubted: number | null = null;

  constructor(options: KneeSearchOptions) {
    this.#options = options;
  }

  /** The rate to try now; null when the knee is known as well as it will be. */
  next(): number | null {
    const { firstRate, rateMax, stepsMax } = this.#options;
    const low = this.#sustained;
    const high = this.#notSustained;
    if (this.#steps >= stepsMax) return null;
    if (this.#doubted !== null) return this.#doubted;
    if (low === null && high === null) return firstRate;
    if (high === null) return low === rateMax ? null : Math.min((low ?? firstRate) * 2, rateMax);
    if (low === null) return high === 1 ? null : Math.floor(high / 2);
    // Within two, no whole number lies well between them.
    return high / low <= PRECISION || high - low <= 1 ? null : Math.round(Math.sqrt(low * high));
  }

  tell(rate: number, sustained: boolean): void {
    this.#steps += 1;
    const isSecondTime = this.#doubted === rate;
    this.#doubted = sustained || isSecondTime ? null : rate;
    if (sustained) this.#sustained = Math.max(this.#sustained ?? 0, rate);
    else if (isSecondTime) this.#notSustained = Math.min(this.#notSustained ?? Infinity, rate);
  }

  get knee(): Knee {
    return { ratePerSecond: this.#sustained, notSustained: this.#notSustained };
  }
}

/** Was the rate sustained, and if not, why? */
export function judgeStep(
  figures: Pick<Figures, "counts" | "completedPerSecond" | "percentiles">,
  { ratePerSecond, p99Ms }: { readonly ratePerSecond: number; readonly p99Ms: number },
): SweepStep {
  const { counts, completedPerSecond, percentiles } = figures;
  const { p50, p99 } = percentiles.completed;
  const failed = Object.entries(counts.errors);
  const reasons = [
    ...(completedPerSecond < SUSTAINED_SHARE * ratePerSecond
      ? [`completed ${Math.round(completedPerSecond)} of ${ratePerSecond} a second`]
      : []),
    ...(p99 === null || p99 > p99Ms
      ? [p99 === null ? "nothing completed" : `99 of 100 took up to ${shortMs(p99)}, above ${shortMs(p99Ms)}`]
      : []),
    ...(counts.notSent > 0 ? [`${counts.notSent} not sent: too many were under way`] : []),
    ...failed.map(([code, count]) => `${count} ${code}`),
    ...(counts.unfinished > 0 ? [`${counts.unfinished} did not end`] : []),
  ];
  const { notSent } = counts;
  return { ratePerSecond, completedPerSecond, p50, p99, notSent, sustained: reasons.length === 0, reasons };
}

/** A duration for people. */
export function shortMs(ms: number | null): string {
  if (ms === null) return "–";
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return ms >= 1 ? `${ms.toPrecision(3)} ms` : `${Math.round(ms * 1_000)} µs`;
}
