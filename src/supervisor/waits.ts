import { fault, type Fault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";

/**
 * Everything that a supervisor waits for from one life of a child. Each wait ends: with the answer, in time, or with
 * the life. Nothing of an ended wait is kept, however long the life lasts and however often it is asked.
 */
export class Waits {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #cuts = new Set<(why: Fault) => void>();
  #over: Fault | undefined;

  constructor(name: string, clock: Clock) {
    this.#name = name;
    this.#clock = clock;
  }

  /** @throws DEADLINE_EXCEEDED, what the life ended with, or what `answer` rejects with, whichever comes first */
  async within<T>(timeoutMs: number, what: string, answer: Promise<T>): Promise<T> {
    const cut = Promise.withResolvers<never>();
    if (this.#over) cut.reject(this.#over);
    const timer = this.#clock.at(this.#clock.now() + timeoutMs, () =>
      cut.reject(fault("DEADLINE_EXCEEDED", { what: `${this.#name}: ${what}`, timeoutMs })),
    );
    this.#cuts.add(cut.reject);
    try {
      return await Promise.race([answer, cut.promise]);
    } finally {
      timer.cancel();
      this.#cuts.delete(cut.reject);
    }
  }

  /** The life is over: whoever waits, or will, gets this. */
  end(why: Fault): void {
    this.#over ??= why;
    for (const cut of this.#cuts) cut(this.#over);
  }
}
