/** What is remembered of measurements: bounded in number and in age. Times are on the scale of `Clock.now()`. */

interface Sample<T> {
  readonly atMs: number;
  readonly value: T;
}

/** The latest values, at most `max`, none older than `ageMs`. */
export class LatestValues<T> {
  readonly #max: number;
  readonly #ageMs: number;
  /** A ring: writing the newest over the oldest moves nothing. */
  readonly #samples: Sample<T>[] = [];
  #next = 0;

  constructor(max: number, ageMs: number) {
    this.#max = max;
    this.#ageMs = ageMs;
  }

  add(value: T, atMs: number): void {
    this.#samples[this.#next] = { atMs, value };
    this.#next = (this.#next + 1) % this.#max;
  }

  /** In no order. */
  at(nowMs: number): T[] {
    return this.#samples.filter(({ atMs }) => nowMs - atMs <= this.#ageMs).map(({ value }) => value);
  }

  clear(): void {
    this.#samples.length = 0;
    this.#next = 0;
  }
}

/** Null of nothing; of an even number the mean of the middle two. */
export function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? upper);
  return (lower + upper) / 2;
}

/** What is left of an outcome's weight after one unit of weight has come after it. */
const KEPT_PER_UNIT = 0.98;

/** Share of successes, with older ones counting less. */
export class DecayedShare {
  #good = 0;
  #all = 0;

  /** @param weight above 0 */
  add(ok: boolean, weight = 1): void {
    const kept = KEPT_PER_UNIT ** weight;
    this.#good = this.#good * kept + (ok ? weight : 0);
    this.#all = this.#all * kept + weight;
  }

  /** 0 to 1; null before the first outcome. */
  get share(): number | null {
    return this.#all === 0 ? null : this.#good / this.#all;
  }

  /** How much stands behind it; below 1 / (1 - what is kept). */
  get weight(): number {
    return this.#all;
  }

  clear(): void {
    this.#good = 0;
    this.#all = 0;
  }
}

/** Probes that must have been decided before their share means something. */
export const PROBES_MIN = 20;
/** So many in a row without an answer, over a connection that works, mean that something lets none through. */
export const SILENT_PROBES = 60;
const PROBES_MAX = 4_000;
const PROBES_AGE_MS = 900_000;

/** Probes by datagram: whether an answer came. Many, and asked for often, so what is told of them is kept, not counted. */
export class ProbeWindow {
  #decided: Sample<boolean>[] = [];
  /** Place of the oldest that counts. */
  #first = 0;
  #lost = 0;
  #silent = 0;

  add(answered: boolean, atMs: number): void {
    const silent = answered ? 0 : this.#silent + 1;
    // What was sent against the wall tells nothing of the link, neither now nor when it has gone.
    if (silent >= SILENT_PROBES) this.clear();
    this.#silent = silent;
    if (this.isWalled) return;
    this.#decided.push({ atMs, value: answered });
    if (!answered) this.#lost += 1;
    if (this.#count > PROBES_MAX) this.#dropOldest();
  }

  /** Does nothing come back at all? Then it is no loss that is measured, but a wall. */
  get isWalled(): boolean {
    return this.#silent >= SILENT_PROBES;
  }

  /** 0 to 100; null when it is not known. */
  lossPercent(nowMs: number): number | null {
    while (nowMs - (this.#decided[this.#first]?.atMs ?? nowMs) > PROBES_AGE_MS) this.#dropOldest();
    if (this.isWalled || this.#count < PROBES_MIN) return null;
    return (100 * this.#lost) / this.#count;
  }

  clear(): void {
    this.#decided = [];
    this.#first = 0;
    this.#lost = 0;
    this.#silent = 0;
  }

  get #count(): number {
    return this.#decided.length - this.#first;
  }

  #dropOldest(): void {
    if (this.#decided[this.#first]?.value === false) this.#lost -= 1;
    this.#first += 1;
    // Moved together once in a while, not each time.
    if (this.#first < PROBES_MAX) return;
    this.#decided = this.#decided.slice(this.#first);
    this.#first = 0;
  }
}
