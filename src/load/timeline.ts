import { Latencies } from "./latencies.ts";

/** One second, counted from the beginning of the measured time. What is counted are measured arrivals only. */
export interface TimelineRow {
  readonly second: number;
  /** Planned in this second. */
  readonly offered: number;
  /** Planned in this second and not sent, because too many were under way. */
  readonly notSent: number;
  /** What happened in this second, whenever it was planned. */
  readonly sent: number;
  readonly acknowledged: number;
  readonly completed: number;
  /** By code: refused, failed or cancelled in this second. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds from planned to completed, of those that were **planned** in this second. */
  readonly p50: number | null;
  readonly p99: number | null;
}

interface OpenRow {
  offered: number;
  notSent: number;
  sent: number;
  acknowledged: number;
  completed: number;
  errors: Record<string, number>;
  p50: number | null;
  p99: number | null;
  /** Arrivals of this second whose end is not known yet. */
  open: number;
  latencies: Latencies | null;
}

const emptyRow = (): OpenRow => ({
  offered: 0,
  notSent: 0,
  sent: 0,
  acknowledged: 0,
  completed: 0,
  errors: {},
  p50: null,
  p99: null,
  open: 0,
  latencies: null,
});

/**
 * What happened second by second. A second has a histogram for as long as arrivals of it are under way; then its
 * percentiles are kept and the histogram serves another second, so that a day does not take gigabytes.
 */
export class Timeline {
  readonly #fromMs: number;
  readonly #rows: OpenRow[] = [];
  readonly #spare: Latencies[] = [];
  /** The second of the latest arrival. */
  #latest = -1;

  constructor(fromMs: number) {
    this.#fromMs = fromMs;
  }

  /** Arrivals are told in the order of their planned times. */
  sent(plannedMs: number, nowMs: number): void {
    this.#offered(plannedMs).open += 1;
    this.#rowAt(nowMs).sent += 1;
  }

  /** As `sent`. */
  notSent(plannedMs: number): void {
    this.#offered(plannedMs).notSent += 1;
  }

  acknowledged(nowMs: number): void {
    this.#rowAt(nowMs).acknowledged += 1;
  }

  completed(plannedMs: number, nowMs: number): void {
    this.#rowAt(nowMs).completed += 1;
    const planned = this.#rowAt(plannedMs);
    planned.latencies ??= this.#spare.pop() ?? new Latencies();
    planned.latencies.record(nowMs - plannedMs);
    this.#ended(plannedMs);
  }

  failed(code: string, plannedMs: number, nowMs: number): void {
    const { errors } = this.#rowAt(nowMs);
    errors[code] = (errors[code] ?? 0) + 1;
    this.#ended(plannedMs);
  }

  /** As far as it has come. Seconds in which nothing happened are there too. */
  rows(): TimelineRow[] {
    return Array.from(
      { length: this.#rows.length },
      (_, second) => this.row(second) ?? told(second, emptyRow()),
    );
  }

  /** Undefined when nothing has happened in it. */
  row(second: number): TimelineRow | undefined {
    const row = this.#rows[second];
    return row && told(second, row);
  }

  #offered(plannedMs: number): OpenRow {
    const second = this.#secondOf(plannedMs);
    const row = this.#rowAt(plannedMs);
    row.offered += 1;
    if (second > this.#latest) {
      const before = this.#latest;
      this.#latest = second;
      this.#closeIfOver(before);
    }
    return row;
  }

  #ended(plannedMs: number): void {
    this.#rowAt(plannedMs).open -= 1;
    this.#closeIfOver(this.#secondOf(plannedMs));
  }

  /** An arrival of a later second has come and none of this one is under way: no value will be added to it. */
  #closeIfOver(second: number): void {
    const row = this.#rows[second];
    if (!row?.latencies || row.open > 0 || second >= this.#latest) return;
    row.p50 = row.latencies.at(50);
    row.p99 = row.latencies.at(99);
    row.latencies.reset();
    this.#spare.push(row.latencies);
    row.latencies = null;
  }

  #rowAt(ms: number): OpenRow {
    return (this.#rows[this.#secondOf(ms)] ??= emptyRow());
  }

  #secondOf(ms: number): number {
    return Math.floor((ms - this.#fromMs) / 1_000);
  }
}

function told(second: number, { open: _open, latencies, ...row }: OpenRow): TimelineRow {
  const p50 = latencies?.at(50) ?? row.p50;
  const p99 = latencies?.at(99) ?? row.p99;
  return { second, ...row, errors: { ...row.errors }, p50, p99 };
}
