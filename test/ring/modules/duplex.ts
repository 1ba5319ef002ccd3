import { RingReader, RingWriter, type Bell, type Poller, type Source } from "../../../src/ring/index.ts";
import type { Random } from "../../../src/scope/index.ts";

/** What both threads of a round are told. */
export interface Round {
  readonly messages: number;
  readonly seed: number;
  /** One ring per direction. */
  readonly toWorker: SharedArrayBuffer;
  readonly toHost: SharedArrayBuffer;
}

const HEADER_BYTES = 8;
const CONTENT_BYTES_MAX = 200;
const BURST_MAX = 60;
const FRAMES_PER_TURN = 64;

/**
 * One end of a link that sends numbered messages in bursts, with pauses of every kind between them, and checks those
 * that come the other way.
 */
export class Duplex implements Source {
  readonly expecting = false;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #otherBell: Bell;
  readonly #poller: Poller;
  readonly #random: Random;
  readonly #messages: number;
  readonly #done = Promise.withResolvers<void>();
  #sent = 0;
  #received = 0;
  /** What is left of a burst that found no room. */
  #blocked = 0;

  constructor(
    rings: { readonly out: SharedArrayBuffer; readonly in: SharedArrayBuffer },
    ends: { readonly poller: Poller; readonly otherBell: Bell; readonly random: Random },
    messages: number,
  ) {
    this.#writer = new RingWriter(rings.out);
    this.#reader = new RingReader(rings.in);
    this.#otherBell = ends.otherBell;
    this.#poller = ends.poller;
    this.#random = ends.random;
    this.#messages = messages;
  }

  /** Sends all, and resolves when all of the other side have come. Rejects at the first that is not as it was sent. */
  async run(): Promise<void> {
    this.#poller.add(this);
    this.#burst();
    try {
      await this.#done.promise;
    } finally {
      this.#poller.remove(this);
    }
  }

  ready(): boolean {
    return this.#reader.ready() || (this.#blocked > 0 && this.#hasRoom());
  }

  poll(): void {
    for (let frame = 0; frame < FRAMES_PER_TURN; frame++) {
      const offset = this.#reader.next();
      if (offset < 0) break;
      this.#check(offset);
    }
    if (this.#reader.release()) this.#otherBell.ring();
    if (this.#blocked > 0 && this.#hasRoom()) this.#send(this.#blocked);
    this.flush();
  }

  flush(): void {
    if (this.#writer.publish()) this.#otherBell.ring();
    if (this.#sent === this.#messages && this.#received === this.#messages) this.#done.resolve();
  }

  #hasRoom(): boolean {
    this.#writer.wantRoom();
    this.#writer.refresh();
    return this.#writer.halfFree;
  }

  #check(offset: number): void {
    const { words, bytes, sizeBytes } = this.#reader;
    const number = words[offset / 4 + 1];
    const expected = this.#received++;
    const from = offset + HEADER_BYTES;
    const to = offset + sizeBytes;
    const intact =
      number === expected && sizeBytes === sizeOf(expected) && allAre(bytes, from, to, expected & 0xff);
    if (!intact) {
      this.#done.reject(new Error(`message ${number} of ${sizeBytes} bytes came in place of ${expected}`));
    }
  }

  #burst(): void {
    this.#send(1 + Math.floor(this.#random.next() * BURST_MAX));
    this.#poller.touch(this);
  }

  #send(count: number): void {
    for (let left = count; left > 0 && this.#sent < this.#messages; left--) {
      const sizeBytes = sizeOf(this.#sent);
      const offset = this.#writer.claim(sizeBytes);
      if (offset < 0) {
        this.#blocked = left;
        this.#writer.wantRoom();
        return;
      }
      this.#writer.words[offset / 4 + 1] = this.#sent;
      this.#writer.bytes.fill(this.#sent & 0xff, offset + HEADER_BYTES, offset + sizeBytes);
      this.#sent++;
    }
    this.#blocked = 0;
    if (this.#sent < this.#messages) this.#pause();
  }

  #pause(): void {
    const next = (): void => this.#burst();
    const chance = this.#random.next();
    if (chance < 0.4) queueMicrotask(next);
    else if (chance < 0.95) setImmediate(next);
    else setTimeout(next, 1);
  }
}

/** A size that both sides can tell from the number. */
const sizeOf = (number: number): number => HEADER_BYTES + ((number * 7919) % (CONTENT_BYTES_MAX + 1));

function allAre(bytes: Uint8Array, from: number, to: number, value: number): boolean {
  for (let index = from; index < to; index++) if (bytes[index] !== value) return false;
  return true;
}
