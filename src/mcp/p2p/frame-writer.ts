import type { Clock } from "../../scope/index.ts";
import type { ByteStream } from "./byte-stream.ts";

/** A published implementation of the encryption refuses longer writes than 65,535 bytes. */
const PIECE_BYTES = 61_440;

export interface FrameWriterOptions {
  readonly clock: Clock;
  /** How long a peer may leave a piece unread. */
  readonly stallMs: number;
  /** Told once: nothing is written any more. */
  readonly onBroken: (why: "stalled" | "lost") => void;
}

/** Writes frames in the order in which they are given, in pieces; what is ready together leaves together. */
export class FrameWriter {
  readonly #stream: ByteStream;
  readonly #options: FrameWriterOptions;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #isBroken = false;

  constructor(stream: ByteStream, options: FrameWriterOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  write(frame: Uint8Array): void {
    if (this.#isBroken) return;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.byteLength;
    this.#writing ??= this.#writeAll();
  }

  /** What the peer has not taken yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Resolves when all is written, or nothing can be any more. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    // What is told in the same turn goes into one piece.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0 && !this.#isBroken) {
        const bytes = this.#waiting.length === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting);
        this.#waiting = [];
        if (bytes !== undefined) await this.#writePieces(bytes);
      }
    } catch {
      this.#break("lost");
    }
    this.#writing = undefined;
  }

  async #writePieces(bytes: Uint8Array): Promise<void> {
    const { clock, stallMs } = this.#options;
    for (let from = 0; from < bytes.byteLength && !this.#isBroken; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES);
      const timer = clock.at(clock.now() + stallMs, () => this.#break("stalled"));
      try {
        await this.#stream.write(piece);
        this.#waitingBytes -= piece.byteLength;
      } finally {
        timer.cancel();
      }
    }
  }

  #break(why: "stalled" | "lost"): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#options.onBroken(why);
  }
}
