import { LIMITS, assert, fault } from "../errors/index.ts";
import type { Scope } from "../scope/index.ts";

/** Holds its slot until the promise settles. */
export type Start = () => Promise<unknown>;

/** A list of which something waits for a slot. */
interface Asker {
  readonly starts: readonly Start[];
  readonly allStarted: () => void;
  /** The place of the one that is next. */
  next: number;
}

/**
 * So many at once. Lists are served in turns, one start each, so that a long one does not keep a short one waiting;
 * each list in its order.
 */
export class Slots {
  readonly #size: number;
  readonly #waitingMax: number;
  #taken = 0;
  #waiting = 0;
  /** In the order in which they are served. */
  readonly #askers = new Set<Asker>();

  /** @param waitingMax starts that may wait, or be handed over at once */
  constructor(size: number, waitingMax: number = LIMITS.executor.executions) {
    this.#size = size;
    this.#waitingMax = waitingMax;
  }

  /**
   * Starts each of a list, as slots become free. Cancellation of the scope ends the waiting at once.
   *
   * @returns resolves when the last has been started, which may be long before it ends
   * @throws `CANCELLED`; `EXECUTOR_FULL`, and then nothing was started
   */
  async startEach(scope: Scope, starts: readonly Start[]): Promise<void> {
    const limit = this.#waitingMax;
    if (this.#waiting + starts.length > limit) throw fault("EXECUTOR_FULL", { limit });
    if (starts.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const asker: Asker = { starts, allStarted: resolve, next: 0 };
    this.#askers.add(asker);
    this.#waiting += starts.length;
    try {
      this.#serve();
      // The sleep ends when the scope is cancelled, and only then.
      if (asker.next < starts.length) await Promise.race([promise, scope.sleep(Infinity)]);
    } finally {
      this.#askers.delete(asker);
      this.#waiting -= starts.length - asker.next;
    }
  }

  #serve(): void {
    // Whoever is put back goes to the end of the set, and the walk comes by again.
    for (const asker of this.#askers) {
      if (this.#taken === this.#size) return;
      this.#askers.delete(asker);
      const start = asker.starts[asker.next];
      assert(start, "who asks has something to start");
      asker.next += 1;
      if (asker.next < asker.starts.length) this.#askers.add(asker);
      else asker.allStarted();
      this.#hold(start);
    }
  }

  /** Everything is in order before the start: what runs at once may ask for slots itself. */
  #hold(start: Start): void {
    this.#taken += 1;
    this.#waiting -= 1;
    const release = (): void => {
      this.#taken -= 1;
      this.#serve();
    };
    start().then(release, release);
  }
}
