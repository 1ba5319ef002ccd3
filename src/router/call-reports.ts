import { LIMITS } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";
import type { ToolMeasurement } from "./router.protocol.ts";

/**
 * Gathers what is measured, and sends it on in one message: to wake the actor for each call would cost more than most
 * calls do.
 */
export class CallReports {
  readonly #send: (measured: readonly ToolMeasurement[]) => void;
  readonly #clock: Clock;
  #gathered: ToolMeasurement[] = [];
  #timer: Timer | undefined;

  constructor(send: (measured: readonly ToolMeasurement[]) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  add(measurement: ToolMeasurement): void {
    this.#gathered.push(measurement);
    if (this.#gathered.length >= LIMITS.router.reportCalls) this.flush();
    else this.#timer ??= this.#clock.at(this.#clock.now() + LIMITS.router.reportMs, () => this.flush());
  }

  /** For whoever is about to ask for the figures, or to end. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#gathered.length === 0) return;
    const measured = this.#gathered;
    this.#gathered = [];
    this.#send(measured);
  }
}
