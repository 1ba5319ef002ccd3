import type { Clock } from "../../scope/index.ts";

/** What was learned, and whether it is worth keeping: a failure is not. */
interface Learned<T> {
  readonly value: T;
  readonly isKept: boolean;
}

/** An answer that is kept for a while, and asked for once however many wait for it. */
export class Remembered<T> {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #learn: () => Promise<Learned<T>>;
  #kept: { readonly value: T; readonly untilMs: number } | undefined;
  #asking: Promise<T> | undefined;

  constructor(clock: Clock, keepMs: number, learn: () => Promise<Learned<T>>) {
    this.#clock = clock;
    this.#keepMs = keepMs;
    this.#learn = learn;
  }

  /** What was learned last, while it holds. */
  get latest(): T | undefined {
    return this.#kept !== undefined && this.#clock.now() < this.#kept.untilMs ? this.#kept.value : undefined;
  }

  /** @param refresh asks whatever is remembered; a question that is under way is joined */
  ask(refresh: boolean): Promise<T> {
    const { latest } = this;
    if (!refresh && latest !== undefined) return Promise.resolve(latest);
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  forget(): void {
    this.#kept = undefined;
  }

  /** Resolves when nothing is asked any more. */
  async settled(): Promise<void> {
    await this.#asking?.catch(() => {});
  }

  async #ask(): Promise<T> {
    const { value, isKept } = await this.#learn();
    if (isKept) this.#kept = { value, untilMs: this.#clock.now() + this.#keepMs };
    return value;
  }
}
