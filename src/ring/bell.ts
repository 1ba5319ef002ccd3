/**
 * How a thread that has gone to sleep is woken: one word in shared memory per thread, rung by every thread that has
 * published something for it.
 *
 *     AWAKE --(reader: nothing to do)--> ASLEEP --(any writer)--> RUNG --(reader: awake again)--> AWAKE
 *
 * Only the reader ever stores AWAKE. A writer that stored it could undo an "asleep" that the reader has set since
 * the writer looked, and the wake-up would be lost. A writer moves ASLEEP to RUNG instead, and the reader's wait on
 * the value ASLEEP then returns at once.
 */
export interface Bell {
  /** Wakes the owner if it sleeps. Cheap when it does not. */
  ring(): void;
}

export const AWAKE = 0;
export const ASLEEP = 1;
export const RUNG = 2;

/** Bells lie a cache line apart. */
export const BELL_BYTES = 64;

export function createBell(): SharedArrayBuffer {
  return new SharedArrayBuffer(BELL_BYTES);
}

/** The writers' side of another thread's bell. */
export class SharedBell implements Bell {
  readonly #word: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.#word = new Int32Array(shared, 0, 1);
  }

  ring(): void {
    if (
      Atomics.load(this.#word, 0) === ASLEEP &&
      Atomics.compareExchange(this.#word, 0, ASLEEP, RUNG) === ASLEEP
    ) {
      Atomics.notify(this.#word, 0);
    }
  }
}
