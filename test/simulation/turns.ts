import type { Random, Scheduler } from "../../src/scope/index.ts";
import type { ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrainedInTurn } from "../kit/microtasks.ts";

/**
 * Order of turns by chance, as the kit's seeded scheduler has it, and twice as fast: between two of its own turns
 * microtasks are drained once.
 */
export class Turns implements Scheduler {
  readonly #ready: (() => void)[] = [];
  readonly #random: Random;
  readonly #clock: ManualClock;

  constructor(random: Random, clock: ManualClock) {
    this.#random = random;
    this.#clock = clock;
  }

  schedule(run: () => void): void {
    this.#ready.push(run);
  }

  /** At most so many turns; fewer when nothing is ready. */
  async run(turns: number): Promise<void> {
    await microtasksDrainedInTurn();
    for (let turn = 0; turn < turns && this.#ready.length > 0; turn++) {
      this.#take()?.();
      await microtasksDrainedInTurn();
    }
  }

  #take(): (() => void) | undefined {
    const ready = this.#ready;
    const index = Math.floor(this.#random.next() * ready.length);
    const taken = ready[index];
    const last = ready.pop();
    if (last !== undefined && index < ready.length) ready[index] = last;
    return taken;
  }

  /** Until nothing is ready. */
  async runAll(): Promise<void> {
    await this.run(100_000);
    if (this.#ready.length > 0) throw new Error("two parties keep waking each other");
  }

  /** Time goes on, timer by timer, and everything has its turn in between. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#clock.now() + ms;
    await this.runAll();
    while (this.#clock.nextAtMs <= untilMs) {
      await this.#clock.advance(Math.max(0, this.#clock.nextAtMs - this.#clock.now()));
      await this.runAll();
    }
    await this.#clock.advance(Math.max(0, untilMs - this.#clock.now()));
    await this.runAll();
  }

  /** Whatever it takes for the promise to settle, time included. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => void (settled = true);
    promise.then(settle, settle);
    for (let round = 0; round < 10_000; round++) {
      await this.runAll();
      if (settled) return promise;
      if (this.#clock.nextAtMs === Infinity)
        throw new Error("nothing can happen any more, and a promise waits");
      await this.#clock.advance(Math.max(0, this.#clock.nextAtMs - this.#clock.now()));
    }
    throw new Error("a promise does not settle");
  }
}
