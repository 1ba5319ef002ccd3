import type { SharedState } from "./shared-state.ts";

/** How often a thread with attempts on it is asked for a sign of life. */
export const LOOK_MS = 1_000;

/** Whether a shared thread still reads its messages: it is asked to look, and notes that it has. */
export class Pulse {
  readonly #state: SharedState;
  readonly #post: (look: number) => void;
  #looks = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #checkedAtMs = 0;
  #silentMs = 0;

  constructor(state: SharedState, post: (look: number) => void) {
    this.#state = state;
    this.#post = post;
  }

  /** Asks, and returns what to give `hasAnswered`. */
  ask(nowMs: number): number {
    if (this.hasAnswered(this.#looks)) {
      this.#silentMs = 0;
      this.#checkedAtMs = nowMs;
    }
    this.#looks += 1;
    this.#askedAtMs = nowMs;
    this.#post(this.#looks);
    return this.#looks;
  }

  hasAnswered(look: number): boolean {
    return this.#state.answered() >= look;
  }

  /**
   * Asks when it is time to; to be called at least every `LOOK_MS`. Returns for how long the thread has owed an answer,
   * in milliseconds. Time in which nobody checked counts for little: the whole process may have been stopped.
   */
  check(nowMs: number): number {
    if (this.hasAnswered(this.#looks)) {
      if (nowMs >= this.#askedAtMs + LOOK_MS) this.ask(nowMs);
      return 0;
    }
    this.#silentMs += Math.min(nowMs - this.#checkedAtMs, 2 * LOOK_MS);
    this.#checkedAtMs = nowMs;
    return this.#silentMs;
  }
}
