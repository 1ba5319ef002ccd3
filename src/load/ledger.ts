import type { Completion } from "./target.ts";

/** What the generator knows of one request. */
export const KNOWN = {
  /** Never sent: planned above the bound, or after the arrivals were stopped. */
  nothing: 0,
  /** Sent, and no answer yet. */
  sent: 1,
  /** Sent, and refused or lost on the way. */
  unacknowledged: 2,
  acknowledged: 3,
  completed: 4,
  failed: 5,
  cancelled: 6,
} as const;

export type Known = (typeof KNOWN)[keyof typeof KNOWN];

const STEP = 65_536;

/**
 * What the caller was told of each request, a byte each: what the check holds against the target's own list. It
 * spans all steps of a sweep.
 */
export class Ledger {
  #known = new Uint8Array(STEP);
  #length = 0;
  /** Completions that came to requests which had ended already. */
  #endedAgain = 0;
  #wrongOutputs: number[] = [];

  /** Numbers for so many requests; returns the first of them. */
  reserve(count: number): number {
    const first = this.#length;
    this.#length += count;
    if (this.#length > this.#known.length) {
      const wider = new Uint8Array(Math.ceil((this.#length * 1.5) / STEP) * STEP);
      wider.set(this.#known);
      this.#known = wider;
    }
    return first;
  }

  get length(): number {
    return this.#length;
  }

  of(request: number): Known {
    return (this.#known[request] ?? KNOWN.nothing) as Known;
  }

  sent(request: number): void {
    this.#known[request] = KNOWN.sent;
  }

  unacknowledged(request: number): void {
    this.#known[request] = KNOWN.unacknowledged;
  }

  acknowledged(request: number): void {
    this.#known[request] = KNOWN.acknowledged;
  }

  ended(request: number, { state, carriesItsNumber }: Completion): void {
    if (this.of(request) !== KNOWN.acknowledged) this.#endedAgain += 1;
    this.#known[request] = KNOWN[state];
    if (carriesItsNumber === false) this.#wrongOutputs.push(request);
  }

  get endedAgain(): number {
    return this.#endedAgain;
  }

  get wrongOutputs(): readonly number[] {
    return this.#wrongOutputs;
  }
}
