/**
 * How long to look for the next message before going to sleep. Sleeping and being woken costs two thread switches
 * (20 to 60 µs each way, as the cores sleep themselves or not); looking costs a core. A thread that looks for as long
 * as a switch would have cost, and then sleeps, never pays more than twice what the best guess would have. So where
 * messages usually come sooner than that it looks so long, where they come a little later a little longer, and where
 * they come much later not at all; a look that finds nothing halves the next one.
 *
 * @see https://doi.org/10.1145/121132.286599 (Karlin et al., Empirical Studies of Competitive Spinning)
 */

/** Never look longer than this: beyond it sleeping is cheaper, and the event loop must turn. */
export const SPIN_US_MAX = 120;
/** What a switch costs: a look that begins is worth as long. */
const SWITCH_US = 50;
/** Below this a window is not worth opening. */
const SPIN_US_MIN = 2;
/** A gap counts this much in the running mean. */
const GAIN = 0.25;
/** Longer gaps count as this long, so that one pause does not shut the window for ever. */
const GAP_US_MAX = 1_000;

/** So many looks are judged together. */
const LOOKS = 32;
/** After looks that were in vain more often than not, so many messages are slept for. */
const MESSAGES_SLEPT_FOR = 1_024;

export class SpinWindow {
  #meanGapUs = GAP_US_MAX;
  #penalty = 1;
  #looks = 0;
  #inVain = 0;
  /** Messages until looking is tried again: the cores have other work, of this process or of others. */
  #closedFor = 0;

  /** How long to look now, in microseconds; 0 = go to sleep. */
  get us(): number {
    if (this.#meanGapUs > SPIN_US_MAX || this.#closedFor > 0) return 0;
    const window = Math.min(SPIN_US_MAX, Math.max(SWITCH_US, 2 * this.#meanGapUs)) / this.#penalty;
    return window < SPIN_US_MIN ? 0 : window;
  }

  /** A message came so long after the last one, whether looked for or slept for. */
  came(gapUs: number): void {
    if (this.#closedFor > 0) this.#closedFor--;
    this.#meanGapUs += GAIN * (Math.min(gapUs, GAP_US_MAX) - this.#meanGapUs);
    // A message slept for that a look would have caught: looking is worth a try again.
    if (gapUs < SPIN_US_MAX) this.#penalty = Math.max(1, this.#penalty / 2);
  }

  hit(): void {
    this.#penalty = 1;
    this.#judge();
  }

  missed(): void {
    this.#penalty = Math.min(64, this.#penalty * 2);
    this.#inVain++;
    this.#judge();
  }

  #judge(): void {
    if (++this.#looks < LOOKS) return;
    if (this.#inVain * 2 > LOOKS) this.#closedFor = MESSAGES_SLEPT_FOR;
    this.#looks = 0;
    this.#inVain = 0;
  }
}

/**
 * Which threads of the process are awake. Spinning is for idle cores: with more awake threads than cores it only
 * takes time from those that work. One word per thread; the supervisor clears the word of a thread that died.
 * Threads beyond the last slot are not counted and do not spin.
 */
export class Presence {
  static readonly SLOTS = 64;
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * Presence.SLOTS);
  }

  readonly #slots: Int32Array;
  readonly #slot: number;

  constructor(shared: SharedArrayBuffer, slot: number) {
    this.#slots = new Int32Array(shared);
    this.#slot = slot;
  }

  set awake(awake: boolean) {
    if (this.#slot < Presence.SLOTS) Atomics.store(this.#slots, this.#slot, awake ? 1 : 0);
  }

  /** May this thread spin on a machine with so many cores? Only while no awake thread has to share one. */
  allowsSpinning(cores: number): boolean {
    if (this.#slot >= Presence.SLOTS) return false;
    let awake = 0;
    for (let slot = 0; slot < Presence.SLOTS; slot++) awake += this.#slots[slot] as number;
    return awake <= cores;
  }
}
