import { Latencies, type CurvePoint, type Percentiles } from "./latencies.ts";
import type { Schedule } from "./schedule.ts";
import { Timeline, type TimelineRow } from "./timeline.ts";

/** Where every arrival went. `offered` is the sum of `notSent`, `completed`, all `errors` and `unfinished`. */
export interface LoadCounts {
  /** Planned, and due before the arrivals ended. */
  readonly offered: number;
  readonly sent: number;
  readonly notSent: number;
  readonly acknowledged: number;
  readonly completed: number;
  /** By code: refused, failed or cancelled. */
  readonly errors: Readonly<Record<string, number>>;
  /** Sent, and without an end when the waiting was over. */
  readonly unfinished: number;
}

export const OPERATIONS = ["acknowledged", "completed", "service", "generatorLag"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What one run at one rate has come to. */
export interface Figures {
  readonly counts: LoadCounts;
  readonly warmup: LoadCounts;
  /** Completions a second within the measured time, whenever they were planned. */
  readonly completedPerSecond: number;
  readonly percentiles: Readonly<Record<Operation, Percentiles>>;
  readonly curves: Readonly<Record<Operation, readonly CurvePoint[]>>;
  /** HdrHistogram V2, compressed, base64, microseconds. */
  readonly histograms: Readonly<Record<Operation, string>>;
  readonly timeline: readonly TimelineRow[];
}

class Counts {
  sent = 0;
  notSent = 0;
  acknowledged = 0;
  completed = 0;
  readonly errors: Record<string, number> = {};
  #failed = 0;

  failed(code: string): void {
    this.#failed += 1;
    this.errors[code] = (this.errors[code] ?? 0) + 1;
  }

  now(): LoadCounts {
    const { sent, notSent, acknowledged, completed, errors } = this;
    const offered = sent + notSent;
    const unfinished = sent - completed - this.#failed;
    return { offered, sent, notSent, acknowledged, completed, errors: { ...errors }, unfinished };
  }
}

/**
 * Writes down what became of each arrival. Latencies count from the planned time, so that a stall is seen by every
 * arrival that was planned in it, whether it could be sent then or not. What belongs to the warm-up is only counted.
 */
export class Recorder {
  readonly #schedule: Schedule;
  readonly #measured = new Counts();
  readonly #warmup = new Counts();
  readonly #timeline: Timeline;
  readonly #latencies: Readonly<Record<Operation, Latencies>> = {
    acknowledged: new Latencies(),
    completed: new Latencies(),
    service: new Latencies(),
    generatorLag: new Latencies(),
  };
  #completedWithin = 0;
  /** The end of the time in which completions count for the completed rate. */
  #measuredToMs: number;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    this.#measuredToMs = schedule.measuredToMs;
    this.#timeline = new Timeline(schedule.measuredFromMs);
  }

  sent(arrival: number, nowMs: number): void {
    this.#countsOf(arrival).sent += 1;
    if (!this.#schedule.isMeasured(arrival)) return;
    const plannedMs = this.#schedule.plannedMs(arrival);
    this.#latencies.generatorLag.record(nowMs - plannedMs);
    this.#timeline.sent(plannedMs, nowMs);
  }

  notSent(arrival: number): void {
    this.#countsOf(arrival).notSent += 1;
    if (this.#schedule.isMeasured(arrival)) this.#timeline.notSent(this.#schedule.plannedMs(arrival));
  }

  acknowledged(arrival: number, nowMs: number): void {
    this.#countsOf(arrival).acknowledged += 1;
    if (!this.#schedule.isMeasured(arrival)) return;
    this.#latencies.acknowledged.record(nowMs - this.#schedule.plannedMs(arrival));
    this.#timeline.acknowledged(nowMs);
  }

  completed(arrival: number, sentMs: number, nowMs: number): void {
    this.#countsOf(arrival).completed += 1;
    if (nowMs >= this.#schedule.measuredFromMs && nowMs < this.#measuredToMs) this.#completedWithin += 1;
    if (!this.#schedule.isMeasured(arrival)) return;
    const plannedMs = this.#schedule.plannedMs(arrival);
    this.#latencies.completed.record(nowMs - plannedMs);
    this.#latencies.service.record(nowMs - sentMs);
    this.#timeline.completed(plannedMs, nowMs);
  }

  /** Refused, failed or cancelled. */
  failed(arrival: number, code: string, nowMs: number): void {
    this.#countsOf(arrival).failed(code);
    if (this.#schedule.isMeasured(arrival)) {
      this.#timeline.failed(code, this.#schedule.plannedMs(arrival), nowMs);
    }
  }

  /** Arrivals were stopped before their time: what completes from now on was waited for. */
  stopped(nowMs: number): void {
    this.#measuredToMs = Math.min(this.#measuredToMs, nowMs);
  }

  /** Of measured arrivals. */
  counts(): LoadCounts {
    return this.#measured.now();
  }

  /** Of those planned in the latest second that is over. */
  latestSecond(nowMs: number): TimelineRow | undefined {
    const over = Math.floor((nowMs - this.#schedule.measuredFromMs) / 1_000) - 1;
    return this.#timeline.row(over);
  }

  figures(): Figures {
    const measuredMs = this.#measuredToMs - this.#schedule.measuredFromMs;
    const each = <T>(of: (latencies: Latencies) => T): Record<Operation, T> => {
      const { acknowledged, completed, service, generatorLag } = this.#latencies;
      return {
        acknowledged: of(acknowledged),
        completed: of(completed),
        service: of(service),
        generatorLag: of(generatorLag),
      };
    };
    return {
      counts: this.#measured.now(),
      warmup: this.#warmup.now(),
      completedPerSecond: measuredMs > 0 ? (this.#completedWithin * 1_000) / measuredMs : 0,
      percentiles: each((latencies) => latencies.percentiles()),
      curves: each((latencies) => latencies.curve()),
      histograms: each((latencies) => latencies.encode()),
      timeline: this.#timeline.rows(),
    };
  }

  #countsOf(arrival: number): Counts {
    return this.#schedule.isMeasured(arrival) ? this.#measured : this.#warmup;
  }
}
