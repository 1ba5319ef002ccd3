import { isFault } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";
import type { Ledger } from "./ledger.ts";
import { Recorder, type Figures, type LoadCounts } from "./recorder.ts";
import type { Schedule } from "./schedule.ts";
import type { Target } from "./target.ts";
import type { TimelineRow } from "./timeline.ts";

export interface Progress {
  readonly phase: "warm-up" | "measuring" | "draining";
  readonly ratePerSecond: number;
  /** Since the measured time began; negative before. */
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly counts: LoadCounts;
  readonly underWay: number;
  /** The latest second that is over. */
  readonly latest: TimelineRow | undefined;
}

export interface OpenLoopOptions {
  readonly schedule: Schedule;
  readonly target: Target;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Requests under way at once. */
  readonly outstandingMax: number;
  /** How long the end waits for what is outstanding. */
  readonly drainMs: number;
  /** Stops the arrivals; what is outstanding is waited for. */
  readonly signal: AbortSignal;
  /** Told once a second. */
  readonly onProgress: (progress: Progress) => void;
}

/**
 * Arrivals sent in one turn. After a stall there may be thousands: the replies to the first must be read, and be timed,
 * before the last are sent.
 */
const TURN = 256;

/** Puts one schedule on a target, and resolves when every request has ended or the waiting is over. */
export function runOpenLoop(options: OpenLoopOptions): Promise<Figures> {
  return new OpenLoop(options).run();
}

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #recorder: Recorder;
  readonly #firstRequest: number;
  readonly #drained = Promise.withResolvers<void>();
  #next = 0;
  #underWay = 0;
  #arriving = true;
  #wake: Timer | undefined;
  #second: Timer | undefined;
  #giveUp: Timer | undefined;

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#recorder = new Recorder(options.schedule);
    this.#firstRequest = options.ledger.reserve(options.schedule.count);
  }

  async run(): Promise<Figures> {
    const { signal, schedule } = this.#options;
    const stop = (): void => this.#endArrivals();
    signal.addEventListener("abort", stop, { once: true });
    this.#tick(schedule.startMs + 1_000);
    if (signal.aborted) stop();
    else this.#pump();
    await this.#drained.promise;
    signal.removeEventListener("abort", stop);
    for (const timer of [this.#wake, this.#second, this.#giveUp]) timer?.cancel();
    return this.#recorder.figures();
  }

  /** Sends what is due, and comes back for the rest. The timetable decides what is due, never the last sending. */
  readonly #pump = (): void => {
    const { clock, schedule } = this.#options;
    if (!this.#arriving) return;
    const nowMs = clock.now();
    const due = schedule.dueBy(nowMs);
    for (const last = Math.min(due, this.#next + TURN); this.#next < last; this.#next++)
      this.#arrive(this.#next);
    if (this.#next === schedule.count) return this.#endArrivals();
    this.#wake = clock.at(this.#next < due ? nowMs : schedule.plannedMs(this.#next), this.#pump);
  };

  #arrive(arrival: number): void {
    if (this.#underWay >= this.#options.outstandingMax) return this.#recorder.notSent(arrival);
    this.#underWay += 1;
    void this.#carryOut(arrival).finally(() => {
      this.#underWay -= 1;
      this.#endWhenQuiet();
    });
  }

  /** Never rejects: whatever happens to a request is counted. */
  async #carryOut(arrival: number): Promise<void> {
    const { clock, target, ledger } = this.#options;
    const request = this.#firstRequest + arrival;
    const sentMs = clock.now();
    ledger.sent(request);
    this.#recorder.sent(arrival, sentMs);
    try {
      await target.send(request);
    } catch (error) {
      ledger.unacknowledged(request);
      return this.#recorder.failed(arrival, codeOf(error), clock.now());
    }
    ledger.acknowledged(request);
    this.#recorder.acknowledged(arrival, clock.now());
    try {
      const completion = await target.completion(request);
      const nowMs = clock.now();
      ledger.ended(request, completion);
      if (completion.state === "completed") this.#recorder.completed(arrival, sentMs, nowMs);
      else this.#recorder.failed(arrival, completion.code ?? completion.state.toUpperCase(), nowMs);
    } catch (error) {
      // Its end is not known to us; the check will ask for it.
      this.#recorder.failed(arrival, codeOf(error), clock.now());
    }
  }

  #endArrivals(): void {
    if (!this.#arriving) return;
    const { clock, drainMs, schedule } = this.#options;
    this.#arriving = false;
    this.#wake?.cancel();
    if (this.#next < schedule.count) this.#recorder.stopped(clock.now());
    this.#giveUp = clock.at(clock.now() + drainMs, () => this.#drained.resolve());
    this.#endWhenQuiet();
  }

  #endWhenQuiet(): void {
    if (!this.#arriving && this.#underWay === 0) this.#drained.resolve();
  }

  #tick(atMs: number): void {
    const { clock, schedule, onProgress } = this.#options;
    this.#second = clock.at(atMs, () => {
      const nowMs = clock.now();
      const elapsedMs = nowMs - schedule.measuredFromMs;
      onProgress({
        phase: !this.#arriving ? "draining" : elapsedMs < 0 ? "warm-up" : "measuring",
        ratePerSecond: schedule.ratePerSecond,
        elapsedMs,
        durationMs: schedule.measuredToMs - schedule.measuredFromMs,
        counts: this.#recorder.counts(),
        underWay: this.#underWay,
        latest: this.#recorder.latestSecond(nowMs),
      });
      this.#tick(Math.max(atMs + 1_000, nowMs));
    });
  }
}

const codeOf = (error: unknown): string => (isFault(error) ? error.code : "DEFECT");
