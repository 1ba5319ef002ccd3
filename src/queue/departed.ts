/** Ids of the tasks that left last: whoever is to wait for one learns that it was there. */
export class Departed {
  readonly #most: number;
  readonly #ids = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  has(taskId: string): boolean {
    return this.#ids.has(taskId);
  }

  /** The oldest is forgotten when there are too many. */
  add(taskId: string): void {
    // An id that was given again counts from when it left last.
    this.#ids.delete(taskId);
    this.#ids.add(taskId);
    if (this.#ids.size <= this.#most) return;
    for (const oldest of this.#ids) return void this.#ids.delete(oldest);
  }
}
