import { LIMITS, assert } from "../errors/index.ts";

/**
 * A single-producer single-consumer ring of byte frames in shared memory. One thread writes, one thread reads;
 * neither ever waits here.
 *
 *     0        4          64       68         128                              128 + capacity
 *     | head   | popped   | tail   | pushed   | frame | frame | … wrap …      |
 *     | reader's line     | writer's line     | data, frames 8-byte aligned   |
 *
 * The four cursors run freely modulo 2^32; a position is cursor modulo capacity. Each side owns one cache line, so
 * that publishing one cursor does not invalidate the other. A frame is contiguous: where one does not fit before the
 * end, a skip mark sends the reader back to the start. The writer fills frames first and publishes the tail once per
 * batch: the sequentially consistent store of the tail is what makes the frames visible.
 *
 * @see https://www.kernel.org/doc/Documentation/core-api/circular-buffers.rst (the cursor discipline)
 * @see https://lmax-exchange.github.io/disruptor/disruptor.html (batched publication, padded cursors)
 */

const HEAD = 0;
const POPPED = 1;
const TAIL = 16;
const PUSHED = 17;
/** Set by a writer that found no room and wants its bell rung when there is some again. */
const ROOM_WANTED = 18;
const HEADER_BYTES = 128;

const ALIGN = 8;
/** In place of a size: the rest up to the end is unused. */
const SKIP = -1;
/** The size word alone is no frame. */
const FRAME_BYTES_MIN = 5;

/** Part of the spawn handshake: two sides with different layouts must not meet. */
export const RING_LAYOUT = "ring-1";

/** @param capacityBytes a power of two from 4 KiB to 256 MiB */
export function createRing(capacityBytes: number): SharedArrayBuffer {
  assert(
    Number.isInteger(Math.log2(capacityBytes)) &&
      capacityBytes >= LIMITS.ring.sizeBytesMin &&
      capacityBytes <= LIMITS.ring.sizeBytesMax,
    `a ring has 2^12 to 2^28 bytes, not ${capacityBytes}`,
  );
  return new SharedArrayBuffer(HEADER_BYTES + capacityBytes);
}

/**
 * The largest frame that always finds a contiguous place in an empty ring, wherever the cursors stand. Larger
 * messages are carried in pieces.
 */
export function frameBytesMax(capacityBytes: number): number {
  return capacityBytes / 4;
}

const aligned = (sizeBytes: number): number => (sizeBytes + (ALIGN - 1)) & ~(ALIGN - 1);

/** What both ends see: the data as bytes and as words, indexed from the start of the data. */
abstract class RingEnd {
  protected readonly cursors: Int32Array;
  readonly capacityBytes: number;
  /** The data; on the reader's side valid between `next` and `release`. */
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;

  constructor(shared: SharedArrayBuffer) {
    this.capacityBytes = shared.byteLength - HEADER_BYTES;
    this.cursors = new Int32Array(shared, 0, HEADER_BYTES / 4);
    this.bytes = Buffer.from(shared, HEADER_BYTES, this.capacityBytes);
    this.words = new Int32Array(shared, HEADER_BYTES, this.capacityBytes / 4);
    this.doubles = new Float64Array(shared, HEADER_BYTES, this.capacityBytes / 8);
  }

  /** Frames published and not yet released. Exact on either side for its own part, never negative. */
  get backlog(): number {
    return (Atomics.load(this.cursors, PUSHED) - Atomics.load(this.cursors, POPPED)) >>> 0;
  }
}

export class RingWriter extends RingEnd {
  #tail: number;
  #tailPublished: number;
  #pushed: number;
  #headSeen: number;
  #poppedSeen: number;

  constructor(shared: SharedArrayBuffer) {
    super(shared);
    this.#tail = Atomics.load(this.cursors, TAIL);
    this.#tailPublished = this.#tail;
    this.#pushed = Atomics.load(this.cursors, PUSHED);
    this.#headSeen = Atomics.load(this.cursors, HEAD);
    this.#poppedSeen = Atomics.load(this.cursors, POPPED);
  }

  /** Frames claimed and, as far as this side has looked, not yet released: an upper bound. */
  get outstanding(): number {
    return (this.#pushed - this.#poppedSeen) >>> 0;
  }

  /** Is at least half of the data free, as far as this side has looked? */
  get halfFree(): boolean {
    return ((this.#tail - this.#headSeen) >>> 0) * 2 <= this.capacityBytes;
  }

  /** Looks at the reader's cursors, which costs a cache miss; `outstanding` is exact right after it. */
  refresh(): void {
    this.#headSeen = Atomics.load(this.cursors, HEAD);
    this.#poppedSeen = Atomics.load(this.cursors, POPPED);
  }

  /**
   * Makes room for a frame whose size in bytes, the leading size word included, is `sizeBytes`, and writes that
   * word. The frame is invisible until `publish`.
   *
   * @param sizeBytes from 5 to `frameBytesMax`: a larger frame might never find a contiguous place
   * @returns the offset of the frame in `bytes` (a multiple of 8), or -1 when there is no room now
   */
  claim(sizeBytes: number): number {
    const fits = sizeBytes >= FRAME_BYTES_MIN && sizeBytes <= frameBytesMax(this.capacityBytes);
    // Put into words only when it is needed: this runs for every frame.
    if (!fits) assert(fits, `a frame of ${sizeBytes} bytes fits into a ring of ${this.capacityBytes}`);
    const need = aligned(sizeBytes);
    const mask = this.capacityBytes - 1;
    const position = this.#tail & mask;
    const untilEnd = this.capacityBytes - position;
    const total = need <= untilEnd ? need : untilEnd + need;
    if (this.capacityBytes - ((this.#tail - this.#headSeen) >>> 0) < total) {
      this.refresh();
      if (this.capacityBytes - ((this.#tail - this.#headSeen) >>> 0) < total) return -1;
    }
    let offset = position;
    if (need > untilEnd) {
      this.words[position >> 2] = SKIP;
      offset = 0;
    }
    this.words[offset >> 2] = sizeBytes;
    this.#tail = (this.#tail + total) | 0;
    this.#pushed = (this.#pushed + 1) | 0;
    return offset;
  }

  /** Makes every claimed frame visible. Returns false when there was none. */
  publish(): boolean {
    if (this.#tail === this.#tailPublished) return false;
    this.#tailPublished = this.#tail;
    // The count goes first: a reader that sees the tail also sees a count that covers it.
    Atomics.store(this.cursors, PUSHED, this.#pushed);
    Atomics.store(this.cursors, TAIL, this.#tail);
    return true;
  }

  /**
   * Asks for the bell when the reader next releases frames. The caller must look for room once more afterwards:
   * the reader may have released between the last look and this call.
   */
  wantRoom(): void {
    if (Atomics.load(this.cursors, ROOM_WANTED) === 0) Atomics.store(this.cursors, ROOM_WANTED, 1);
  }
}

export class RingReader extends RingEnd {
  #head: number;
  #headReleased: number;
  #popped: number;
  #tailSeen: number;
  /** Of the frame that `next` returned, the leading size word included. */
  sizeBytes = 0;

  constructor(shared: SharedArrayBuffer) {
    super(shared);
    this.#head = Atomics.load(this.cursors, HEAD);
    this.#headReleased = this.#head;
    this.#popped = Atomics.load(this.cursors, POPPED);
    this.#tailSeen = this.#head;
  }

  /** Is there a frame to read? */
  ready(): boolean {
    return this.#head !== this.#tailSeen || Atomics.load(this.cursors, TAIL) !== this.#head;
  }

  /**
   * Steps to the next frame. It stays valid until `release`.
   *
   * @returns its offset in `bytes`, or -1 when there is none
   */
  next(): number {
    if (this.#head === this.#tailSeen) {
      this.#tailSeen = Atomics.load(this.cursors, TAIL);
      if (this.#head === this.#tailSeen) return -1;
    }
    let offset = this.#head & (this.capacityBytes - 1);
    let size = this.words[offset >> 2] as number;
    let skipped = 0;
    if (size === SKIP) {
      skipped = this.capacityBytes - offset;
      offset = 0;
      size = this.words[0] as number;
    }
    const total = skipped + aligned(size);
    const published = (this.#tailSeen - this.#head) >>> 0;
    // All that another thread could have written wrong: from here on nothing is read beyond what was published.
    const sound =
      size >= FRAME_BYTES_MIN &&
      size <= frameBytesMax(this.capacityBytes) &&
      offset + size <= this.capacityBytes &&
      total <= published &&
      published <= this.capacityBytes;
    if (!sound) assert(sound, `a frame of ${size} bytes at ${offset}: the ring is damaged`);
    this.sizeBytes = size;
    this.#head = (this.#head + total) | 0;
    this.#popped = (this.#popped + 1) | 0;
    return offset;
  }

  /** Bytes read and not yet given back to the writer. */
  get unreleasedBytes(): number {
    return (this.#head - this.#headReleased) >>> 0;
  }

  /** Gives everything read so far back to the writer. Returns true when the writer waits for that: ring its bell. */
  release(): boolean {
    if (this.#head !== this.#headReleased) {
      this.#headReleased = this.#head;
      Atomics.store(this.cursors, POPPED, this.#popped);
      Atomics.store(this.cursors, HEAD, this.#head);
    }
    return (
      Atomics.load(this.cursors, ROOM_WANTED) === 1 && Atomics.exchange(this.cursors, ROOM_WANTED, 0) === 1
    );
  }
}
