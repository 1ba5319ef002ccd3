/**
 * The memory that the pool and its threads share: one slot per attempt that runs at once. A thread that computes
 * reads no messages, so what it must learn (stop) and what it must leave behind when it dies (where it was) stand
 * here.
 *
 * ```
 *  byte 0            8               16         20         24           28            32            40    64
 *  ┌─────────────────┬───────────────┬──────────┬──────────┬────────────┬─────────────┬─────────────┬─── … ─┐
 *  │ token and phase │ phase since   │ thread   │ module   │ ended by   │ processor   │ first turn  │ pad-  │
 *  │ 56 bits, 8 bits │ clock ms      │ threadId │ index    │ leftover?  │ time, ms    │ ms          │ ding  │
 *  └─────────────────┴───────────────┴──────────┴──────────┴────────────┴─────────────┴─────────────┴─── … ─┘
 * ```
 *
 * The first word carries the fencing token of the attempt beside its phase and changes by compare-and-swap only: of
 * "it ended" and "stop it", the first one wins and both sides know which. Whoever comes with the token of an earlier
 * attempt reads `gone` and changes nothing.
 */

const SLOT_BYTES = 64;
const WORDS = SLOT_BYTES / BigInt64Array.BYTES_PER_ELEMENT;
const INTS = SLOT_BYTES / Int32Array.BYTES_PER_ELEMENT;
const SINCE = 1;
const THREAD = 4;
const MODULE = 5;
const LEFTOVER = 6;
const CPU = 7;
const TURN = 4;

const PHASES = ["free", "assigned", "loading", "running", "ended", "cancelled", "timedOut", "left"] as const;
/**
 * `assigned`: on its way to a thread. `loading`: the thread imports the modules. `running`: the handler has been
 * called. `ended`: its result stands. `cancelled`, `timedOut`: it is to stop, and whatever it still returns is void.
 * `left`: it has stopped, and its thread is free.
 */
export type Phase = (typeof PHASES)[number];
export type StopPhase = "cancelled" | "timedOut";

const PHASE_BITS = 8n;
const PHASE_MASK = (1n << PHASE_BITS) - 1n;
const TO_STOP: readonly Phase[] = ["assigned", "loading", "running"];
/** What fits into the slot: 24 days. */
const CPU_MS_MAX = 2 ** 31 - 1;
const TO_END: readonly Phase[] = ["loading", "running"];
const TO_LEAVE: readonly Phase[] = ["cancelled", "timedOut"];

const wordOf = (token: number, phase: Phase): bigint =>
  (BigInt(token) << PHASE_BITS) | BigInt(PHASES.indexOf(phase));

export class Slots {
  /** Hand it to a thread, and there to the constructor. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: BigInt64Array;
  readonly #times: Float64Array;
  readonly #ints: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new BigInt64Array(buffer);
    this.#times = new Float64Array(buffer);
    this.#ints = new Int32Array(buffer);
  }

  static allocate(count: number): Slots {
    return new Slots(new SharedArrayBuffer(count * SLOT_BYTES));
  }

  /** Gives a free slot to an attempt. The pool's side only. */
  assign(slot: number, token: number, nowMs: number): void {
    this.#times[slot * WORDS + SINCE] = nowMs;
    this.#ints[slot * INTS + THREAD] = 0;
    this.#ints[slot * INTS + MODULE] = -1;
    this.#ints[slot * INTS + LEFTOVER] = 0;
    this.#ints[slot * INTS + CPU] = 0;
    Atomics.store(this.#words, slot * WORDS, wordOf(token, "assigned"));
  }

  /** Takes it back, whatever its phase; late readers see `gone`. The pool's side only. */
  release(slot: number): void {
    Atomics.store(this.#words, slot * WORDS, 0n);
    Atomics.notify(this.#words, slot * WORDS);
  }

  phase(slot: number, token: number): Phase | "gone" {
    const word = Atomics.load(this.#words, slot * WORDS);
    if (word >> PHASE_BITS !== BigInt(token)) return "gone";
    return PHASES[Number(word & PHASE_MASK)] ?? "gone";
  }

  /** Milliseconds, on the clock's scale, since when it is in its phase. */
  since(slot: number): number {
    return this.#times[slot * WORDS + SINCE] ?? 0;
  }

  thread(slot: number): number {
    return Atomics.load(this.#ints, slot * INTS + THREAD);
  }

  /** Index of the module that is being imported; -1 when none was begun. */
  module(slot: number): number {
    return Atomics.load(this.#ints, slot * INTS + MODULE);
  }

  /** How long it kept a shared thread from all else when it was taken up, in milliseconds. */
  turnMs(slot: number): number {
    return this.#times[slot * WORDS + TURN] ?? 0;
  }

  noteTurn(slot: number, turnMs: number): void {
    this.#times[slot * WORDS + TURN] = turnMs;
  }

  /** Did something that an earlier attempt left running on the thread bring it down? */
  endedByLeftover(slot: number): boolean {
    return Atomics.load(this.#ints, slot * INTS + LEFTOVER) === 1;
  }

  /** Processor time that the attempt may use, in milliseconds; null = as much as it wants, or it has not begun. */
  cpuMs(slot: number): number | null {
    return Atomics.load(this.#ints, slot * INTS + CPU) || null;
  }

  /** The thread knows the handler, and so the bound. */
  boundCpu(slot: number, cpuMs: number): void {
    Atomics.store(this.#ints, slot * INTS + CPU, Math.min(CPU_MS_MAX, Math.ceil(cpuMs)));
  }

  /** The thread takes the attempt up; false when it was stopped meanwhile. */
  enter(slot: number, token: number, threadId: number, nowMs: number): boolean {
    Atomics.store(this.#ints, slot * INTS + THREAD, threadId);
    return this.#advance(slot, token, "assigned", "loading", nowMs);
  }

  loadModule(slot: number, index: number): void {
    Atomics.store(this.#ints, slot * INTS + MODULE, index);
  }

  /** The handler is called next; false when it was stopped meanwhile. */
  begin(slot: number, token: number, nowMs: number): boolean {
    return this.#advance(slot, token, "loading", "running", nowMs);
  }

  /** What the attempt came to stands; false when it was stopped before, and then it does not. */
  end(slot: number, token: number): boolean {
    return TO_END.some((from) => this.#swap(slot, token, from, "ended"));
  }

  /** The phase in which the attempt was told to stop; null when it had ended or was stopped before. */
  stop(slot: number, token: number, to: StopPhase): Phase | null {
    return TO_STOP.find((from) => this.#swap(slot, token, from, to)) ?? null;
  }

  /** Takes back what no thread has taken up; false when one has. */
  withdraw(slot: number, token: number): boolean {
    return this.#swap(slot, token, "assigned", "cancelled");
  }

  /** A stopped attempt is over: its thread is not to be terminated for it any more. */
  leave(slot: number, token: number): void {
    TO_LEAVE.some((from) => this.#swap(slot, token, from, "left"));
  }

  blameLeftover(slot: number): void {
    Atomics.store(this.#ints, slot * INTS + LEFTOVER, 1);
  }

  /**
   * Resolves when an attempt that is running is no longer. Does not keep the event loop alive: whoever waits holds a
   * handle.
   */
  async untilNotRunning(slot: number, token: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, slot * WORDS, wordOf(token, "running"));
    if (wait.async) await wait.value;
  }

  /** The time is written before the phase that it belongs to, so that a reader of the phase never sees an old one. */
  #advance(slot: number, token: number, from: Phase, to: Phase, nowMs: number): boolean {
    if (this.phase(slot, token) !== from) return false;
    this.#times[slot * WORDS + SINCE] = nowMs;
    return this.#swap(slot, token, from, to);
  }

  #swap(slot: number, token: number, from: Phase, to: Phase): boolean {
    const expected = wordOf(token, from);
    if (Atomics.compareExchange(this.#words, slot * WORDS, expected, wordOf(token, to)) !== expected) {
      return false;
    }
    Atomics.notify(this.#words, slot * WORDS);
    return true;
  }
}
