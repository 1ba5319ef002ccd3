import { fault } from "../../../../src/errors/index.ts";
import type { ByteStream } from "../../../../src/mcp/p2p/byte-stream.ts";

/** What the network holds of a stream that nobody reads. */
const HELD_BYTES = 262_144;

/** Bytes one way: written at one end, read at the other, and no more held than a network would. */
class Pipe {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #why: Error | undefined;
  #changed = Promise.withResolvers<void>();
  readonly pieces: number[] = [];

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#why) throw this.#why;
    if (this.#ended) throw new Error("the stream is closed");
    this.pieces.push(bytes.byteLength);
    this.#chunks.push(Uint8Array.from(bytes));
    this.#bytes += bytes.byteLength;
    this.#change();
    while (this.#bytes > HELD_BYTES && !this.#why && !this.#ended) await this.#changed.promise;
    this.#throwIfReset();
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#why) throw this.#why;
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#bytes -= chunk.byteLength;
        this.#change();
        return chunk;
      }
      if (this.#ended) return null;
      await this.#changed.promise;
    }
  }

  #throwIfReset(): void {
    if (this.#why) throw this.#why;
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  reset(why: Error): void {
    this.#why ??= why;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

class End implements ByteStream {
  readonly peerId: string;
  readonly #inward: Pipe;
  readonly #outward: Pipe;
  #isClosed = false;
  readonly #closed = Promise.withResolvers<null>();

  constructor(peerId: string, inward: Pipe, outward: Pipe) {
    this.peerId = peerId;
    this.#inward = inward;
    this.#outward = outward;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How long each piece was that was written here. */
  get pieces(): readonly number[] {
    return this.#outward.pieces;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#isClosed) return Promise.resolve(null);
    return Promise.race([this.#inward.read(), this.#closed.promise]);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outward.write(bytes);
  }

  /** Nothing more is said, and the other side is still heard. */
  endWriting(): void {
    this.#outward.end();
  }

  async close(graceful: boolean): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed.resolve(null);
    if (graceful) {
      this.#outward.end();
      return;
    }
    const why = fault("PEER_LOST", { peerId: this.peerId, why: "the stream was reset" });
    this.#outward.reset(why);
    this.#inward.reset(why);
  }
}

export type StreamEnd = End;

/** Two ends of a stream in one process: `server` is what the server of `ours` is given of the peer `theirs`. */
export function streamPair({ theirs = "peer-a", ours = "node" } = {}): { server: End; client: End } {
  const up = new Pipe();
  const down = new Pipe();
  return { server: new End(theirs, up, down), client: new End(ours, down, up) };
}
