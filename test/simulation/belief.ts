/**
 * What is known of a thing that requests change, when an answer may be lost: one value, or several of which one is
 * true. An answer settles it, and so does looking.
 */
export class Belief<T> {
  #candidates: readonly T[];
  #before: readonly T[];

  constructor(value: T) {
    this.#candidates = [value];
    this.#before = this.#candidates;
  }

  /** The one that is true; undefined when that is not known. */
  get known(): T | undefined {
    return this.#candidates.length === 1 ? this.#candidates[0] : undefined;
  }

  /** A request to make it `value` is on its way. */
  asked(value: T): void {
    this.#before = this.#candidates;
    this.#candidates = [...this.#candidates, value];
  }

  granted(value: T): void {
    this.#candidates = [value];
  }

  refused(): void {
    this.#candidates = this.#before;
  }

  /** False when what is seen cannot be. */
  seen(value: T): boolean {
    const isPossible = this.#candidates.some((each) => JSON.stringify(each) === JSON.stringify(value));
    this.#candidates = [value];
    return isPossible;
  }
}
