import {
  FLAG,
  FRAME_HEADER_BYTES,
  KIND,
  StreamDecoder,
  TRACEPARENT_BYTES,
  readFrameHeader,
  type FrameHeader,
} from "../codec/index.ts";
import { LIMITS, assert } from "../errors/index.ts";
import { RingReader, type Bell } from "../ring/index.ts";
import { METRICS, type MetricsBlock } from "../telemetry/index.ts";

/** A message as it came; `payload` is undefined when there was none. Valid during the call only. */
export interface Received extends Readonly<FrameHeader> {
  readonly payload: unknown;
  readonly traceparent: string | undefined;
}

/** Frames handled in one turn, so that handlers' promises and other links get theirs. */
const FRAMES_PER_TURN = 128;

/** The reading side of one direction of a link: decodes frames and puts large messages together again. */
export class Inbound {
  readonly #ring: RingReader;
  readonly #bell: Bell;
  readonly #metrics: MetricsBlock;
  readonly #decoder = new StreamDecoder();
  readonly #header = {
    kind: KIND.cast as FrameHeader["kind"],
    flags: 0,
    member: 0,
    correlation: 0,
    totalBytes: 0,
    deadlineMs: 0,
    payload: undefined as unknown,
    traceparent: undefined as string | undefined,
  };
  /** The message that is arriving in pieces. */
  #partial: Buffer<ArrayBuffer> | undefined;
  #partialBytes = 0;

  /** @param bell the writer's: rung when it waits for room */
  constructor(ring: SharedArrayBuffer, bell: Bell, metrics: MetricsBlock) {
    this.#metrics = metrics;
    this.#ring = new RingReader(ring);
    this.#bell = bell;
  }

  ready(): boolean {
    return this.#ring.ready();
  }

  /** Hands over at most `FRAMES_PER_TURN` messages in order, and gives their room back. */
  poll(handle: (received: Received) => void): void {
    let messages = 0;
    let bytes = 0;
    try {
      for (let frame = 0; frame < FRAMES_PER_TURN; frame++) {
        const offset = this.#ring.next();
        if (offset < 0) break;
        bytes += this.#ring.sizeBytes;
        if (this.#decode(offset)) {
          messages++;
          handle(this.#header);
          // Valid until here: it may be large, and the next message far away.
          this.#header.payload = undefined;
        }
        if (this.#ring.unreleasedBytes * 4 > this.#ring.capacityBytes) this.#release();
      }
    } finally {
      this.#release();
      this.#metrics.count(METRICS.messagesReceived, messages);
      this.#metrics.count(METRICS.bytesReceived, bytes);
    }
  }

  #release(): void {
    if (this.#ring.release()) this.#bell.ring();
  }

  /** True when a whole message is in `#header`. */
  #decode(offset: number): boolean {
    const header = this.#header;
    readFrameHeader(this.#ring, offset, header);
    const start = offset + FRAME_HEADER_BYTES;
    const end = offset + this.#ring.sizeBytes;
    if (header.totalBytes === 0) return this.#finish(this.#ring.bytes, start, end);
    return this.#collect(start, end);
  }

  #collect(start: number, end: number): boolean {
    const { totalBytes, flags } = this.#header;
    assert(totalBytes <= LIMITS.actor.messageBytes + TRACEPARENT_BYTES, `a message of ${totalBytes} bytes`);
    this.#partial ??= Buffer.allocUnsafeSlow(totalBytes);
    this.#ring.bytes.copy(this.#partial, this.#partialBytes, start, end);
    this.#partialBytes += end - start;
    if ((flags & FLAG.more) !== 0) return false;
    const whole = this.#partial;
    assert(this.#partialBytes === totalBytes, `${this.#partialBytes} of ${totalBytes} bytes arrived`);
    this.#partial = undefined;
    this.#partialBytes = 0;
    try {
      return this.#finish(whole, 0, totalBytes);
    } finally {
      // Nothing refers to it. The collector would find that out some large messages later.
      whole.buffer.transfer(0);
    }
  }

  #finish(bytes: Buffer, from: number, end: number): boolean {
    const header = this.#header;
    if (header.kind === KIND.define) {
      this.#decoder.define(bytes.subarray(from, end));
      return false;
    }
    let start = from;
    header.traceparent = undefined;
    if ((header.flags & FLAG.trace) !== 0) {
      header.traceparent = bytes.toString("latin1", start, start + TRACEPARENT_BYTES).trimEnd();
      start += TRACEPARENT_BYTES;
    }
    header.payload = start === end ? undefined : this.#decoder.decode(bytes, start, end);
    return true;
  }
}
