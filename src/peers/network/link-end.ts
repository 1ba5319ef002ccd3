import { LIMITS, sentenceOf } from "../../errors/index.ts";
import {
  FrameReader,
  HEADER_BYTES,
  KIND,
  Violation,
  controlFrame,
  type Kind,
  type Offence,
} from "./frame.ts";
import { Outbox, type ByteStream, type LinkPlace } from "./outbox.ts";

/** A link between two peers, as either of its ends is set up. */
export interface LinkSetup extends LinkPlace {
  readonly peerId: string;
  readonly stream: ByteStream;
  /** Told once when the link has ended, by whichever side. */
  readonly ended: (why: string) => void;
  /** The other side has broken the rules; `ended` follows. */
  readonly offended: (offence: Offence) => void;
}

const { windowBytes } = LIMITS.network;
/** Taken in and not given back: less often than each frame, and before the other side runs dry. */
const CREDIT_BYTES = windowBytes / 4;

/** The frames that take credit. */
const TAKES_CREDIT: ReadonlySet<Kind> = new Set([KIND.request, KIND.piece, KIND.reply, KIND.failure]);

const NOTHING = Buffer.alloc(0);

/** The body that the other side has begun. */
interface Unfinished {
  readonly id: number;
  /** Null: it is dropped as it comes. */
  bytes: Buffer | null;
  filledBytes: number;
  readonly totalBytes: number;
}

/**
 * What both ends of a link have in common: frames in and out, credit, bodies that come in pieces, and one end. It knows
 * nothing of libp2p: bytes are pushed into it, and leave by a `ByteStream`.
 */
export abstract class LinkEnd {
  readonly peerId: string;
  protected readonly setup: LinkSetup;
  protected readonly outbox: Outbox;
  readonly #reader: FrameReader;
  #unfinished: Unfinished | null = null;
  /** What the other side may still send. */
  #allowedBytes: number = windowBytes;
  #takenBytes = 0;
  #receivedBytes = 0;
  #isOver = false;

  constructor(setup: LinkSetup) {
    this.setup = setup;
    this.peerId = setup.peerId;
    this.outbox = new Outbox(setup.stream, setup, {
      stalled: (why) => this.offend(why),
      sent: () => this.#giveCredit(),
    });
    this.#reader = new FrameReader((kind, id, payload) => this.#takeFrame(kind, id, payload));
  }

  /** @throws Violation */
  protected abstract take(kind: Kind, id: number, payload: Buffer): void;
  /** Is the other side to send no more until it has taken what waits for it? */
  protected abstract get isBehind(): boolean;
  /** Everything that is under way ends with this. */
  protected abstract release(why: string): void;

  get isOver(): boolean {
    return this.#isOver;
  }

  get sentBytes(): number {
    return this.outbox.sentBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes have come. Never throws. */
  receive(chunk: Uint8Array): void {
    if (this.#isOver) return;
    this.#receivedBytes += chunk.length;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.offend(error);
    }
    // What is answered at once leaves ahead of what the multiplexer says of the bytes that have come.
    this.outbox.flushScheduled();
  }

  /** The stream takes bytes again. */
  drained(): void {
    if (!this.#isOver) this.outbox.drained();
  }

  /** The stream has ended, or is to be of no use any more. */
  end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.outbox.close();
    this.#unfinished = null;
    this.release(why);
    this.setup.ended(why);
  }

  /** Cuts the link off. */
  abort(why: string): void {
    if (this.#isOver) return;
    this.setup.stream.abort(new Error(why));
    this.end(why);
  }

  protected offend(violation: Violation): void {
    if (this.#isOver) return;
    this.setup.offended(violation.offence);
    this.abort(`the peer has broken the protocol: ${sentenceOf(violation)}`);
  }

  /**
   * The first bytes of a body have come.
   *
   * @param isWanted false: its pieces are dropped
   * @returns the body, of its own memory, if it is whole; null: it goes on in pieces
   * @throws Violation while another one is unfinished
   */
  protected begin(id: number, first: Buffer, totalBytes: number, isWanted: boolean): Uint8Array | null {
    if (first.length === totalBytes) return isWanted ? copyOf(first) : NOTHING;
    if (this.#unfinished !== null && this.#unfinished.bytes !== null)
      throw new Violation("frame_invalid", "two long bodies at a time");
    const bytes = isWanted ? Buffer.allocUnsafeSlow(totalBytes) : null;
    if (bytes !== null) first.copy(bytes);
    this.#unfinished = { id, bytes, filledBytes: first.length, totalBytes };
    return null;
  }

  /** Its pieces are dropped from now on. */
  protected drop(id: number): void {
    if (this.#unfinished?.id === id) this.#unfinished.bytes = null;
  }

  /** No piece of it will come any more. */
  protected forget(id: number): void {
    if (this.#unfinished?.id === id) this.#unfinished = null;
  }

  /** @returns the body when it is whole and wanted; else null. @throws Violation */
  protected addPiece(id: number, piece: Buffer): Uint8Array | null {
    const unfinished = this.#unfinished;
    if (unfinished?.id !== id) throw new Violation("frame_invalid", "a piece of no body");
    const endBytes = unfinished.filledBytes + piece.length;
    if (endBytes > unfinished.totalBytes)
      throw new Violation("frame_invalid", "a body longer than announced");
    // As `checkFirst` demands of the first frame: no body may come in crumbs.
    if (piece.length < LIMITS.network.chunkBytes && endBytes < unfinished.totalBytes)
      throw new Violation("frame_invalid", `a piece of ${piece.length} bytes in the middle of a body`);
    if (unfinished.bytes !== null) piece.copy(unfinished.bytes, unfinished.filledBytes);
    unfinished.filledBytes = endBytes;
    if (endBytes < unfinished.totalBytes) return null;
    this.#unfinished = null;
    return unfinished.bytes === null ? null : bytesOf(unfinished.bytes);
  }

  #takeFrame(kind: Kind, id: number, payload: Buffer): boolean {
    if (TAKES_CREDIT.has(kind)) {
      const bytes = HEADER_BYTES + payload.length;
      if (bytes > this.#allowedBytes)
        throw new Violation("credit", "more was sent than there was credit for");
      this.#allowedBytes -= bytes;
      this.#takenBytes += bytes;
    }
    if (kind === KIND.credit) this.outbox.give(payload.readUInt32BE(0));
    else this.take(kind, id, payload);
    this.#giveCredit();
    return !this.#isOver;
  }

  #giveCredit(): void {
    if (this.#takenBytes < CREDIT_BYTES || this.#isOver || this.isBehind) return;
    this.outbox.control(controlFrame(KIND.credit, 0, this.#takenBytes));
    this.#allowedBytes += this.#takenBytes;
    this.#takenBytes = 0;
  }
}

/** Plain bytes, as they cross threads; the memory is shared. */
const bytesOf = (buffer: Buffer): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
