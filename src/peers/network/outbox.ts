import { LIMITS } from "../../errors/index.ts";
import type { Clock, Timer } from "../../scope/index.ts";
import { HEADER_BYTES, KIND, Violation, writeHeader, type Kind } from "./frame.ts";

/** What carries the bytes of a link. */
export interface ByteStream {
  /** False: no more until it has drained. @throws when it is closed */
  send(bytes: Uint8Array): boolean;
  /** Cut off, whatever is under way. */
  abort(why: Error): void;
  /** What was sent arrives; nothing more is sent. */
  close(): void;
}

/** What a link needs from the place where it lives. */
export interface LinkPlace {
  readonly clock: Clock;
  /** Runs what is given to it soon, and not at once: frames that are written until then travel together. */
  readonly soon: (run: () => void) => void;
}

interface Parcel {
  readonly kind: Kind;
  readonly id: number;
  readonly head: Buffer;
  readonly body: Uint8Array;
  /** Of the body; -1: not even the head. */
  sentBytes: number;
}

interface Planned {
  readonly kind: Kind;
  readonly id: number;
  readonly head: Buffer | null;
  readonly body: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** How much of a parcel has left. */
export type Left = "none" | "part" | "all";

const { chunkBytes, windowBytes, stallMs } = LIMITS.network;
/** Bytes that are handed to the stream in one go. */
const BATCH_BYTES = 131_072;
/** What a parcel takes of memory beside its body. */
const PARCEL_BYTES = 128;

/** Whom an outbox tells how it goes. */
export interface OutboxOwner {
  /** The other side has taken nothing for too long. */
  stalled(why: Violation): void;
  /** Something has left. */
  sent(): void;
}

/**
 * The writing side of a link: what waits to be sent, in three lanes. Frames without a body go first; short bodies pass a
 * long one, which in turn has every other place; and only one long body is under way at a time.
 */
export class Outbox {
  readonly #stream: ByteStream;
  readonly #place: LinkPlace;
  readonly #owner: OutboxOwner;
  #control: Buffer[] = [];
  #short: Parcel[] = [];
  readonly #long: Parcel[] = [];
  /** Bytes of frames that may be sent now. */
  #credit: number = windowBytes;
  #isWritable = true;
  #isScheduled = false;
  #isClosed = false;
  #queuedBytes = 0;
  #sentBytes = 0;
  /** Sent of the short lane since the long one had its turn. */
  #passedBytes = 0;
  #stall: Timer | undefined;

  constructor(stream: ByteStream, place: LinkPlace, owner: OutboxOwner) {
    this.#stream = stream;
    this.#place = place;
    this.#owner = owner;
  }

  /** What waits to be sent, in bytes of memory. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Handed to the stream, ever. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  control(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#control.push(frame);
    this.#schedule();
  }

  /** The body is not copied: it must not change until it has been sent. */
  post(kind: Kind, id: number, head: Buffer, body: Uint8Array): void {
    if (this.#isClosed) return;
    const parcel = { kind, id, head, body, sentBytes: -1 };
    (body.length > chunkBytes ? this.#long : this.#short).push(parcel);
    this.#queuedBytes += PARCEL_BYTES + body.length;
    this.#schedule();
  }

  /** Nothing more of it is sent. @returns how much has been */
  drop(id: number): Left {
    for (const lane of [this.#short, this.#long]) {
      const index = lane.findIndex((each) => each.id === id);
      const parcel = lane[index];
      if (parcel === undefined) continue;
      lane.splice(index, 1);
      this.#queuedBytes -= PARCEL_BYTES + parcel.body.length - Math.max(0, parcel.sentBytes);
      return parcel.sentBytes < 0 ? "none" : "part";
    }
    return "all";
  }

  /** @throws Violation when more is given back than was sent */
  give(bytes: number): void {
    if (bytes === 0 || this.#credit + bytes > windowBytes)
      throw new Violation("credit", `a credit of ${bytes} bytes`);
    this.#credit += bytes;
    this.#schedule();
  }

  drained(): void {
    this.#isWritable = true;
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#stall?.cancel();
    this.#control = [];
    this.#short = [];
    this.#long.length = 0;
    this.#queuedBytes = 0;
  }

  /** What would be sent soon is sent now. */
  flushScheduled(): void {
    if (this.#isScheduled) this.#flushSafely();
  }

  #flush(): void {
    this.#isScheduled = false;
    const sentBefore = this.#sentBytes;
    while (!this.#isClosed && this.#isWritable) {
      const batch = this.#batch();
      if (batch === null) break;
      this.#sentBytes += batch.length;
      this.#isWritable = this.#stream.send(batch);
    }
    this.#watch();
    if (this.#sentBytes > sentBefore && !this.#isClosed) this.#owner.sent();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#place.soon(this.#flushSafely);
  }

  readonly #flushSafely = (): void => {
    // It may have been sent meanwhile, ahead of its turn.
    if (!this.#isScheduled) return;
    try {
      this.#flush();
    } catch {
      // A stream that takes nothing has ended, and says so by itself.
    }
  };

  get #hasWork(): boolean {
    return this.#control.length + this.#short.length + this.#long.length > 0;
  }

  /** What waits and is not taken must not wait for ever. */
  #watch(): void {
    if (!this.#hasWork || this.#isClosed) {
      this.#stall?.cancel();
      this.#stall = undefined;
      return;
    }
    if (this.#stall !== undefined) return;
    const sentBefore = this.#sentBytes;
    this.#stall = this.#place.clock.at(this.#place.clock.now() + stallMs, () => {
      this.#stall = undefined;
      if (this.#sentBytes > sentBefore) this.#watch();
      else if (this.#hasWork)
        this.#owner.stalled(new Violation("slow_reader", `nothing was taken for ${stallMs / 1000} s`));
    });
  }

  /** The next frames, in one piece of memory; null: nothing may be sent. */
  #batch(): Buffer | null {
    const planned: Planned[] = [];
    let bytes = 0;
    for (const frame of this.#control) bytes += frame.length;
    while (bytes < BATCH_BYTES) {
      const next = this.#next();
      if (next === null) break;
      planned.push(next);
      bytes += frameBytes(next);
    }
    if (bytes === 0) return null;
    const batch = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const frame of this.#control) at += frame.copy(batch, at);
    this.#control = [];
    for (const each of planned) at = write(batch, at, each);
    return batch;
  }

  #next(): Planned | null {
    const long = this.#long[0];
    const isTurnOfLong = long !== undefined && (this.#short.length === 0 || this.#passedBytes >= chunkBytes);
    const parcel = isTurnOfLong ? long : this.#short[0];
    if (parcel === undefined) return null;
    const { id, body, sentBytes } = parcel;
    const isFirst = sentBytes < 0;
    const from = Math.max(0, sentBytes);
    const to = Math.min(body.length, from + chunkBytes);
    const kind = isFirst ? parcel.kind : KIND.piece;
    const next = { kind, id, head: isFirst ? parcel.head : null, body, from, to };
    const bytes = frameBytes(next);
    if (bytes > this.#credit) return null;
    this.#credit -= bytes;
    parcel.sentBytes = to;
    this.#queuedBytes -= to - from;
    this.#passedBytes = isTurnOfLong ? 0 : this.#passedBytes + bytes;
    if (to === body.length) {
      (isTurnOfLong ? this.#long : this.#short).shift();
      this.#queuedBytes -= PARCEL_BYTES;
    }
    return next;
  }
}

const frameBytes = ({ head, from, to }: Planned): number => HEADER_BYTES + (head?.length ?? 0) + to - from;

function write(batch: Buffer, start: number, { kind, id, head, body, from, to }: Planned): number {
  let at = writeHeader(batch, start, kind, id, (head?.length ?? 0) + to - from);
  if (head !== null) at += head.copy(batch, at);
  if (to > from) batch.set(from === 0 && to === body.length ? body : body.subarray(from, to), at);
  return at + to - from;
}
