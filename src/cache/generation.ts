/** Stripes of keys; a power of two. More of them let a put leave more copies of other keys valid. */
const STRIPES = 4_096;
/** Of the counter for all keys. The stripes begin on another cache line: they are written far more often. */
const ALL = 0;
const FIRST_STRIPE = 32;
/** Of the counter of reads, in units of eight bytes, on a line of its own. */
const READS = 8;

const WORDS = FIRST_STRIPE + STRIPES;

/**
 * What the threads that read the cache share with its actor: counters that move when what was read may no longer be
 * true.
 *
 * ```
 *   word 0        words 16, 17           words 32 … 4127
 *  ┌─────┬─ … ─┬────────────────┬─ … ─┬────┬────┬─ … ─┬────┐
 *  │ all │     │ reads (64 bit) │     │ one per stripe of keys │
 *  └─────┴─ … ─┴────────────────┴─ … ─┴────┴────┴─ … ─┴────┘
 * ```
 *
 * The actor moves a counter in the same turn in which it changes what it answers, and acknowledges later. A reader
 * notes the stamp before it asks, and trusts the answer while the stamp stands. So an acknowledged change is seen by
 * every read that begins after it, on every thread: whatever was read before has another stamp.
 */
export class Generation {
  readonly #words: Int32Array;
  readonly #reads: BigUint64Array;

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
    this.#reads = new BigUint64Array(shared);
  }

  /** Of the counter that moves when the key's value changes. Several keys share it. */
  stripeOf(key: string): number {
    // FNV-1a.
    let hash = 0x811c9dc5;
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    return FIRST_STRIPE + ((hash ^ (hash >>> 16)) & (STRIPES - 1));
  }

  /**
   * Equal stamps tell that nothing moved between them: both counters only rise, so their sum stands still only when
   * both do. It comes around after 2^32 moves, and no copy is trusted for so long.
   */
  stampOf(stripe: number): number {
    return (Atomics.load(this.#words, ALL) + Atomics.load(this.#words, stripe)) | 0;
  }

  /** What was read under this key is no longer true. */
  moveKey(key: string): void {
    Atomics.add(this.#words, this.stripeOf(key), 1);
  }

  /** Nothing that was read is true any more. */
  moveAll(): void {
    Atomics.add(this.#words, ALL, 1);
  }

  /** Reads that threads answered from their own copies, added up now and then. */
  addReads(count: number): void {
    Atomics.add(this.#reads, READS, BigInt(count));
  }

  get reads(): number {
    return Number(Atomics.load(this.#reads, READS));
  }
}
