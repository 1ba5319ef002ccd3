import { existsSync, readFileSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { basename } from "node:path";

/**
 * Whether a write-ahead log that a dead owner has left behind holds all that was acknowledged. SQLite takes a log up to
 * the first frame that does not fit and forgets the rest without a word, since it cannot tell a write that the loss of
 * power has torn from damage. A store can: it flushes each batch before it writes the next. So behind a torn batch there
 * is nothing that was written after it, and whatever is there was behind damage.
 *
 * ```
 *  32 bytes   magic, version, page size, round, salt 1, salt 2, checksum 1, checksum 2
 *  frame …    page number, pages of the file after a commit or 0, salt 1, salt 2, checksum 1, checksum 2, the page
 * ```
 *
 * @see https://www.sqlite.org/fileformat2.html#walformat
 */

const HEADER_BYTES = 32;
const FRAME_BYTES = 24;
/** Of words in little-endian order; one more is big-endian. */
const MAGIC = 0x377f0682;

/**
 * Reads the whole log. It may belong to an owner that is alive and writes to it: then there is nothing to be said about
 * it, and what is found here means nothing. That there is no log says nothing either: SQLite removes it when the end of
 * a thread, or an exit, closes the connection, and the note of the owner stays.
 *
 * @returns why something that was acknowledged is lost; undefined when nothing is, as far as can be told
 */
export function damageOfLog(path: string): string | undefined {
  const logPath = `${path}-wal`;
  const name = basename(logPath);
  if (!existsSync(logPath)) return undefined;
  const bytes = readFileSync(logPath);
  if (bytes.length < HEADER_BYTES + FRAME_BYTES || isUnused(bytes)) return undefined;
  // SQLite would delete the log of such a file.
  if (isEmpty(path)) return `it is empty, and its log ${name} is not`;
  const log = new Frames(bytes);
  if (!log.isSound) return `its log ${name} is damaged at its beginning`;
  const broken = log.firstBroken();
  return log.goesOnBehind(broken) ? `its log ${name} is damaged at byte ${log.offsetOf(broken)}` : undefined;
}

/** There is no such file, or nothing in it. */
export const isEmpty = (path: string): boolean => !statSync(path, { throwIfNoEntry: false })?.size;

/** Nothing has been written yet: the room ahead is zeros. */
const isUnused = (bytes: Buffer): boolean =>
  bytes.subarray(0, HEADER_BYTES + FRAME_BYTES).every((byte) => byte === 0);

class Frames {
  readonly isSound: boolean;
  readonly #bytes: Buffer;
  /** The same in the order that its checksums are made of. */
  readonly #words: Uint32Array;
  readonly #pageBytes: number;
  readonly #count: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const magic = bytes.readUInt32BE(0);
    this.#words = wordsOf(bytes, magic === MAGIC ? "LE" : "BE");
    this.#pageBytes = bytes.readUInt32BE(8);
    const isPage = this.#pageBytes >= 512 && this.#pageBytes <= 65_536 && this.#pageBytes % 512 === 0;
    this.isSound =
      (magic === MAGIC || magic === MAGIC + 1) &&
      isPage &&
      this.#isSum(this.#sum([0, 0], 0, 24), this.#storedSum(24));
    this.#count = isPage ? Math.floor((bytes.length - HEADER_BYTES) / (FRAME_BYTES + this.#pageBytes)) : 0;
  }

  offsetOf(frame: number): number {
    return HEADER_BYTES + frame * (FRAME_BYTES + this.#pageBytes);
  }

  /** The number of frames that SQLite takes. */
  firstBroken(): number {
    let frame = 0;
    while (frame < this.#count && this.#isOfRound(frame) && this.#follows(frame)) frame += 1;
    return frame;
  }

  /** Is there a batch, and another that was written after it? */
  goesOnBehind(broken: number): boolean {
    for (let frame = broken + 1; frame < this.#count; frame++) {
      const isCommit = this.#bytes.readUInt32BE(this.offsetOf(frame - 1) + 4) !== 0;
      if (!isCommit || !this.#isOfRound(frame - 1) || !this.#isOfRound(frame)) continue;
      // What an earlier tear has left behind in this round does not follow what has been written over it.
      if (this.#follows(frame)) return true;
    }
    return false;
  }

  #isOfRound(frame: number): boolean {
    const at = this.offsetOf(frame);
    return (
      this.#bytes.readUInt32BE(at) !== 0 && this.#bytes.compare(this.#bytes, 16, 24, at + 8, at + 16) === 0
    );
  }

  /** The checksum of a frame goes on from that of the one before. */
  #follows(frame: number): boolean {
    const at = this.offsetOf(frame);
    const before = frame === 0 ? this.#storedSum(24) : this.#storedSum(this.offsetOf(frame - 1) + 16);
    const ofHead = this.#sum(before, at, 8);
    return this.#isSum(this.#sum(ofHead, at + FRAME_BYTES, this.#pageBytes), this.#storedSum(at + 16));
  }

  #storedSum(at: number): Sum {
    return [this.#bytes.readUInt32BE(at), this.#bytes.readUInt32BE(at + 4)];
  }

  #isSum([a, b]: Sum, [c, d]: Sum): boolean {
    return a === c && b === d;
  }

  #sum([first, second]: Sum, from: number, sizeBytes: number): Sum {
    const words = this.#words;
    let one = first;
    let two = second;
    for (let at = from / 4; at < (from + sizeBytes) / 4; at += 2) {
      one = (one + (words[at] as number) + two) | 0;
      two = (two + (words[at + 1] as number) + one) | 0;
    }
    return [one >>> 0, two >>> 0];
  }
}

function wordsOf(bytes: Buffer, order: "LE" | "BE"): Uint32Array {
  const whole = Uint8Array.prototype.slice.call(bytes, 0, bytes.length - (bytes.length % 4));
  const { buffer } = order === endianness() ? whole : Buffer.from(whole.buffer).swap32();
  return new Uint32Array(buffer);
}

type Sum = readonly [number, number];
