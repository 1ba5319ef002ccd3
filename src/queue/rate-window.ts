const SECONDS = 60;

/** What happened in the last minute, second by second. */
export class RateWindow {
  readonly #counts = new Uint32Array(SECONDS);
  #second = 0;

  count(nowMs: number): void {
    this.#turn(nowMs);
    const place = this.#second % SECONDS;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  perMinute(nowMs: number): number {
    this.#turn(nowMs);
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    const passed = Math.min(SECONDS, second - this.#second);
    for (let each = 1; each <= passed; each++) this.#counts[(second - passed + each) % SECONDS] = 0;
    if (passed > 0) this.#second = second;
  }
}
