import { expect } from "vitest";
import { FRAME_HEADER_BYTES, StreamDecoder, StreamEncoder } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { frameBytesMax } from "../../src/ring/index.ts";

/** What one frame of the smallest ring can carry. */
const SMALLEST_FRAME_BYTES = frameBytesMax(LIMITS.ring.sizeBytesMin) - FRAME_HEADER_BYTES;

const MEMORY = Buffer.from(new SharedArrayBuffer(2 ** 22));

/** One direction of a link: encoder, shared memory, decoder. */
export class Line {
  readonly encoder = new StreamEncoder();
  readonly decoder = new StreamDecoder();
  #end = 0;

  /** The bytes of a payload that is not sent, yet. */
  encode(value: unknown): Buffer {
    return Buffer.from(this.encoder.encode(value));
  }

  sendDefinitions(): void {
    if (!this.encoder.hasDefinitions) return;
    const definitions = this.encoder.definitions();
    expect(definitions.length).toBeLessThanOrEqual(SMALLEST_FRAME_BYTES);
    this.decoder.define(this.#write(definitions));
    this.encoder.definitionsSent();
    expect(this.encoder.hasDefinitions).toBe(false);
  }

  receive(payload: Uint8Array): unknown {
    const written = this.#write(payload);
    const value = this.decoder.decode(MEMORY, this.#end - payload.length, this.#end);
    // The ring is written over; what was decoded stays what it was.
    written.fill(0xa5);
    return value;
  }

  send(value: unknown): unknown {
    const payload = this.encode(value);
    this.sendDefinitions();
    return this.receive(payload);
  }

  #write(bytes: Uint8Array): Buffer {
    const start = this.#end + 24 + bytes.length > MEMORY.length ? 0 : this.#end + 24;
    this.#end = start + bytes.length;
    MEMORY.set(bytes, start);
    return MEMORY.subarray(start, this.#end);
  }
}
