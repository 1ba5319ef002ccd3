/**
 * What a shared thread writes for whoever must judge it when it does not answer any more, or is dead.
 *
 * ```
 *  byte 0           4            8             16                 24
 *  ┌────────────────┬────────────┬─────────────┬──────────────────┐
 *  │ executing      │ pulse      │ turn since  │ culprit          │
 *  │ slot + 1, or 0 │ last look  │ clock ms    │ slot + 1, or why │
 *  └────────────────┴────────────┴─────────────┴──────────────────┘
 * ```
 *
 * Each life of a shared thread has a state of its own, so nothing in it is ever somebody else's.
 */

const SIZE_BYTES = 24;
const EXECUTING = 0;
const PULSE = 1;
const TURN_SINCE = 1;
const CULPRIT = 4;

const UNKNOWN = 0;
const LEFTOVER = -1;
const MODULES = -2;

/**
 * Who ended a thread: the attempt on a slot; `leftover`, something that an attempt left running which had ended before;
 * `modules`, what the user's modules do by themselves.
 */
export type Culprit = number | "leftover" | "modules" | "unknown";

export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #ints: Int32Array;
  readonly #times: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(SIZE_BYTES)) {
    this.buffer = buffer;
    this.#ints = new Int32Array(buffer);
    this.#times = new Float64Array(buffer);
  }

  /** An attempt's own code is called next. Returns what to give `leave`, as calls may be nested. */
  enter(slot: number, nowMs: number): number {
    const before = Atomics.load(this.#ints, EXECUTING);
    if (before === 0) this.#times[TURN_SINCE] = nowMs;
    Atomics.store(this.#ints, EXECUTING, slot + 1);
    return before;
  }

  leave(before: number): void {
    Atomics.store(this.#ints, EXECUTING, before);
  }

  /** The slot whose code was called and has not returned; null when the thread does something else. */
  executing(): number | null {
    const slot = Atomics.load(this.#ints, EXECUTING) - 1;
    return slot < 0 ? null : slot;
  }

  /** Milliseconds, on the clock's scale, since when somebody is executing. */
  turnSince(): number {
    return this.#times[TURN_SINCE] ?? 0;
  }

  /** The thread reads its messages: this is the latest look that it has seen. */
  answer(look: number): void {
    Atomics.store(this.#ints, PULSE, look);
  }

  answered(): number {
    return Atomics.load(this.#ints, PULSE);
  }

  /** The thread is about to end by its own doing. */
  blame(culprit: Culprit): void {
    const word = typeof culprit === "number" ? culprit + 1 : WORDS[culprit];
    Atomics.store(this.#ints, CULPRIT, word);
  }

  culprit(): Culprit {
    const word = Atomics.load(this.#ints, CULPRIT);
    if (word > UNKNOWN) return word - 1;
    if (word === UNKNOWN) return "unknown";
    return word === LEFTOVER ? "leftover" : "modules";
  }
}

const WORDS = { unknown: UNKNOWN, leftover: LEFTOVER, modules: MODULES } as const;
