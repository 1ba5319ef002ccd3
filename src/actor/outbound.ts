import {
  FLAG,
  FRAME_HEADER_BYTES,
  KIND,
  StreamEncoder,
  TRACEPARENT_BYTES,
  TooLargeError,
  foundIn,
  writeFrameHeader,
  type FrameHeader,
  type Kind,
} from "../codec/index.ts";
import { LIMITS, assert, fault, type Fault } from "../errors/index.ts";
import { RingWriter, frameBytesMax, type Bell } from "../ring/index.ts";
import { METRICS, type MetricsBlock } from "../telemetry/index.ts";

/** What goes into one frame, or, when it is large, into several. */
export interface Message {
  readonly kind: Kind;
  readonly member: number;
  readonly correlation: number;
  readonly deadlineMs: number;
  readonly traceparent?: string | undefined;
}

interface Waiting extends Message {
  /** The traceparent, where there is one, and the payload. */
  readonly body: Uint8Array<ArrayBuffer>;
  sentBytes: number;
}

/** Unpublished bytes that make a flush worth its two cache misses before the turn ends. */
const FLUSH_BYTES = 4_096;

/**
 * The writing side of one direction of a link.
 *
 * Small messages go straight into the ring. A message larger than a frame, and whatever must not be refused while the
 * ring is full (replies, cancellations), waits in `#queue` and goes out as the reader makes room; while something
 * waits, everything else queues behind it, so order is kept.
 */
export class Outbound {
  readonly #ring: RingWriter;
  readonly #bell: Bell;
  readonly #encoder = new StreamEncoder();
  readonly #callee: string;
  readonly #messagesMax: number;
  readonly #metrics: MetricsBlock;
  readonly #frameBytesMax: number;
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #unflushedBytes = 0;
  #header: FrameHeader = {
    kind: KIND.cast,
    flags: 0,
    member: 0,
    correlation: 0,
    totalBytes: 0,
    deadlineMs: 0,
  };
  #roomWaiters: (() => void)[] = [];

  constructor(options: {
    ring: SharedArrayBuffer;
    bell: Bell;
    callee: string;
    messagesMax: number;
    metrics: MetricsBlock;
  }) {
    this.#ring = new RingWriter(options.ring);
    this.#bell = options.bell;
    this.#callee = options.callee;
    this.#messagesMax = options.messagesMax;
    this.#metrics = options.metrics;
    this.#frameBytesMax = frameBytesMax(this.#ring.capacityBytes);
  }

  /** Messages that wait for room outside the ring. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Does somebody wait for room? */
  get waiting(): boolean {
    return this.#queue.length > 0 || this.#roomWaiters.length > 0;
  }

  /** The link is closed: nobody waits any more, and those who did find out why. */
  abandon(): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resume of waiters) resume();
  }

  /**
   * Sends if the mailbox has room.
   *
   * @throws MAILBOX_FULL, MESSAGE_TOO_LARGE, NOT_A_WIRE_VALUE; then nothing was sent
   */
  offer(message: Message, payload: unknown): void {
    if (this.#ring.outstanding + this.#queue.length >= this.#messagesMax) {
      this.#ring.refresh();
      if (this.#ring.outstanding + this.#queue.length >= this.#messagesMax)
        throw this.#full("messages", this.#messagesMax);
    }
    const body = this.#encode(message, payload);
    if (this.#queue.length > 0 || FRAME_HEADER_BYTES + body.length > this.#frameBytesMax) {
      // Alone, a message is never too much: the largest that is allowed, with its traceparent, must be sendable.
      const tooMuch = this.#queuedBytes > 0 && this.#queuedBytes + body.length > LIMITS.actor.messageBytes;
      if (tooMuch) throw this.#full("bytes", LIMITS.actor.messageBytes);
      this.#enqueue(message, body);
      return;
    }
    if (this.#define() && this.#put(message, body)) return;
    // The shapes of the refused message may be in the ring already, and its sender has nothing to be flushed for.
    this.flush();
    throw this.#full("bytes", this.#ring.capacityBytes);
  }

  /** Sends now, or as soon as there is room. Its users bound how many of these can wait. */
  deliver(message: Message, payload: unknown): void {
    const body = this.#encode(message, payload);
    if (this.#queue.length > 0 || FRAME_HEADER_BYTES + body.length > this.#frameBytesMax)
      this.#enqueue(message, body);
    else if (!this.#define() || !this.#put(message, body)) this.#enqueue(message, body);
  }

  flush(): void {
    this.#unflushedBytes = 0;
    if (!this.#ring.publish()) return;
    this.#metrics.count(METRICS.batches);
    this.#bell.ring();
  }

  /**
   * Is there something to do for `pump`? A few loads, and only while somebody waits. As long as the answer is no,
   * the reader is asked to ring: it forgets the wish with every ring.
   */
  hasRoom(): boolean {
    if (!this.waiting) return false;
    if (this.#halfEmpty()) return true;
    this.#ring.wantRoom();
    return this.#halfEmpty();
  }

  #halfEmpty(): boolean {
    this.#ring.refresh();
    return this.#ring.halfFree && this.#ring.outstanding * 2 <= this.#messagesMax;
  }

  /** Moves what waits into the ring, and wakes those who wait for room. */
  pump(): void {
    while (this.#queue.length > 0) {
      if (this.#sendFirst()) continue;
      this.#ring.wantRoom();
      // The reader may have released everything between the failed claim and the wish for room.
      if (!this.#sendFirst()) break;
    }
    if (this.#roomWaiters.length === 0 || this.#queue.length > 0 || !this.hasRoom()) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resume of waiters) resume();
  }

  /** Calls `resume` once when at least half of the mailbox is free. Returns how to withdraw. */
  onRoom(resume: () => void): () => void {
    this.#roomWaiters.push(resume);
    // The reader may have released everything since the mailbox was found full, and then it will not ring.
    if (this.hasRoom()) {
      this.pump();
      // What it has moved was sent by somebody who is not here to see to it.
      this.flush();
    }
    return () => {
      this.#roomWaiters = this.#roomWaiters.filter((each) => each !== resume);
    };
  }

  #full(unit: "messages" | "bytes", limit: number): Error {
    this.#metrics.count(METRICS.messagesRefused);
    return fault("MAILBOX_FULL", { actor: this.#callee, limit, unit });
  }

  /** The bytes are valid until the next call. */
  #encode({ member, traceparent }: Message, payload: unknown): Uint8Array {
    const encoded = payload === undefined ? NOTHING : this.#encodeValue(payload, member);
    if (traceparent === undefined) return encoded;
    return Buffer.concat([
      Buffer.from(traceparent.padEnd(TRACEPARENT_BYTES).slice(0, TRACEPARENT_BYTES), "latin1"),
      encoded,
    ]);
  }

  #encodeValue(payload: unknown, member: number): Uint8Array {
    try {
      return this.#encoder.encode(payload, member);
    } catch (error) {
      throw unsendable(this.#callee, payload, error);
    }
  }

  /** The reader must know a shape before it meets it. False when there is no room for that. */
  #define(): boolean {
    if (!this.#encoder.hasDefinitions) return true;
    const definition: Message = { kind: KIND.define, member: 0, correlation: 0, deadlineMs: 0 };
    if (!this.#put(definition, this.#encoder.definitions())) return false;
    this.#encoder.definitionsSent();
    return true;
  }

  #put(message: Message, body: Uint8Array): boolean {
    return this.#frame(message, body, 0, body.length, 0, message.traceparent === undefined ? 0 : FLAG.trace);
  }

  #frame(
    message: Message,
    body: Uint8Array,
    start: number,
    end: number,
    totalBytes: number,
    flags: number,
  ): boolean {
    const sizeBytes = FRAME_HEADER_BYTES + (end - start);
    const offset = this.#ring.claim(sizeBytes);
    if (offset < 0) {
      this.#metrics.count(METRICS.ringFull);
      return false;
    }
    this.#metrics.count(METRICS.bytesSent, sizeBytes);
    const header = this.#header;
    header.kind = message.kind;
    header.flags = flags;
    header.member = message.member;
    header.correlation = message.correlation;
    header.totalBytes = totalBytes;
    header.deadlineMs = message.deadlineMs;
    writeFrameHeader(this.#ring, offset, header);
    if (end > start) {
      const part = start === 0 && end === body.length ? body : body.subarray(start, end);
      this.#ring.bytes.set(part, offset + FRAME_HEADER_BYTES);
    }
    this.#unflushedBytes += sizeBytes;
    if (this.#unflushedBytes > FLUSH_BYTES) this.flush();
    return true;
  }

  #enqueue(message: Message, body: Uint8Array): void {
    if (this.#encoder.hasDefinitions) {
      const definition: Message = { kind: KIND.define, member: 0, correlation: 0, deadlineMs: 0 };
      this.#push(definition, this.#encoder.definitions());
      this.#encoder.definitionsSent();
    }
    this.#push(message, body);
    this.pump();
  }

  #push(message: Message, body: Uint8Array): void {
    // The encoder reuses its buffer.
    const kept = Uint8Array.prototype.slice.call(body);
    this.#queuedBytes += kept.length;
    this.#queue.push({ ...message, body: kept, sentBytes: 0 });
  }

  /** The next piece of the first message that waits. False when the ring has no room for it. */
  #sendFirst(): boolean {
    const first = this.#queue[0];
    assert(first !== undefined, "there is a message to send");
    const trace = first.traceparent === undefined ? 0 : FLAG.trace;
    const left = first.body.length - first.sentBytes;
    const pieceBytes = Math.min(left, this.#frameBytesMax - FRAME_HEADER_BYTES);
    const whole = first.sentBytes === 0 && pieceBytes === left;
    const end = first.sentBytes + pieceBytes;
    const flags = trace | (end < first.body.length ? FLAG.more : 0);
    if (!this.#frame(first, first.body, first.sentBytes, end, whole ? 0 : first.body.length, flags))
      return false;
    first.sentBytes = end;
    if (end === first.body.length) {
      this.#queue.shift();
      this.#queuedBytes -= end;
      // It was copied for this queue alone. The collector would find that out some large messages later.
      if (!whole) first.body.buffer.transfer(0);
    }
    return true;
  }
}

const NOTHING = new Uint8Array(0);

/** Why a payload could not be encoded. @param error what its encoder threw */
export function unsendable(callee: string, payload: unknown, error: unknown): Fault {
  if (error instanceof TooLargeError) {
    const { messageBytes: limitBytes } = LIMITS.actor;
    return fault("MESSAGE_TOO_LARGE", { actor: callee, sizeBytes: error.atLeastBytes, limitBytes });
  }
  const what = `a message for ${callee}`;
  return fault("NOT_A_WIRE_VALUE", { what, found: foundIn(payload) }, { cause: error });
}
