/**
 * Ids of the tasks that left last: whoever is to wait for one learns that it was there.
 *
 * Their order stands in a list of its own. A `Set` keeps an order too, but V8 leaves a hole for each entry that was
 * deleted, and a walk from the front passes all of them: to forget the oldest so would cost more with each one forgotten.
 */
export class Departed {
  readonly #most: number;
  /** By id: when it left last, as a count of all departures. */
  readonly #lastLeft = new Map<string, number>();
  /** Departure number n stands at n modulo the bound. */
  readonly #order: string[] = [];
  #departures = 0;

  /** @param most at least 1 */
  constructor(most: number) {
    this.#most = most;
  }

  has(taskId: string): boolean {
    return this.#lastLeft.has(taskId);
  }

  /** The oldest is forgotten when there are too many. An id that was given again counts from when it left last. */
  add(taskId: string): void {
    const departure = this.#departures++;
    const place = departure % this.#most;
    const oldest = this.#order[place];
    if (oldest !== undefined && this.#lastLeft.get(oldest) === departure - this.#most)
      this.#lastLeft.delete(oldest);
    this.#order[place] = taskId;
    this.#lastLeft.set(taskId, departure);
  }
}
