import { createHash } from "node:crypto";
import { fault } from "../../../src/errors/index.ts";
import type { Clock } from "../../../src/scope/index.ts";
import type { BlobStore } from "../../../src/store/index.ts";

/** Large values in memory, by the rules of those on disk. */
export class MemoryBlobs implements BlobStore {
  readonly values = new Map<string, { readonly bytes: Uint8Array; atMs: number }>();
  /** Called wherever others may do something in the middle of a look or a sweep. */
  meanwhile: () => Promise<void> = () => Promise.resolve();
  lastMs: number | null = null;
  readonly #clock: Pick<Clock, "wallNow">;

  constructor(clock: Pick<Clock, "wallNow">) {
    this.#clock = clock;
  }

  put(bytes: Uint8Array): Promise<{ sha256: string; sizeBytes: number }> {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    this.values.set(sha256, { bytes, atMs: this.#clock.wallNow() });
    return Promise.resolve({ sha256, sizeBytes: bytes.byteLength });
  }

  async putPieces(
    sha256: string,
    pieces: AsyncIterable<Uint8Array>,
  ): Promise<{ sha256: string; sizeBytes: number }> {
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece);
    const bytes = Buffer.concat(all);
    if (createHash("sha256").update(bytes).digest("hex") !== sha256) throw fault("BLOB_CORRUPT", { sha256 });
    return this.put(bytes);
  }

  async touch(sha256: string): Promise<void> {
    (await this.#value(sha256)).atMs = this.#clock.wallNow();
  }

  async get(sha256: string): Promise<Uint8Array> {
    return (await this.#value(sha256)).bytes;
  }

  async read(
    sha256: string,
    offset: number,
    length: number,
  ): Promise<{ bytes: Uint8Array; sizeBytes: number }> {
    const { bytes } = await this.#value(sha256);
    return { bytes: bytes.subarray(offset, offset + length), sizeBytes: bytes.byteLength };
  }

  async *pieces(sha256: string): AsyncGenerator<Uint8Array> {
    const { bytes } = await this.#value(sha256);
    for (let at = 0; at < bytes.byteLength; at += 50) {
      await this.meanwhile();
      yield bytes.subarray(at, at + 50);
    }
  }

  has(sha256: string): Promise<boolean> {
    return Promise.resolve(this.values.has(sha256));
  }

  async *old(beforeMs: number): AsyncGenerator<string> {
    for (const [sha256, { atMs }] of [...this.values]) {
      await this.meanwhile();
      if (atMs < beforeMs) yield sha256;
    }
  }

  async collect({ keep, beforeMs, signal }: Parameters<BlobStore["collect"]>[0]): Promise<{
    removed: number;
    freedBytes: number;
  }> {
    const collected = { removed: 0, freedBytes: 0 };
    for (const [sha256, { bytes, atMs }] of [...this.values]) {
      signal?.throwIfAborted();
      if (atMs >= beforeMs() || keep(sha256)) continue;
      await this.meanwhile();
      // Looked at again when nobody can change it any more.
      if ((this.values.get(sha256)?.atMs ?? Infinity) >= beforeMs()) continue;
      this.values.delete(sha256);
      collected.removed += 1;
      collected.freedBytes += bytes.byteLength;
    }
    this.lastMs = this.#clock.wallNow();
    return collected;
  }

  mend(): Promise<void> {
    return Promise.resolve();
  }

  collectedAtMs(): Promise<number | null> {
    return Promise.resolve(this.lastMs);
  }

  #value(sha256: string): Promise<{ readonly bytes: Uint8Array; atMs: number }> {
    const value = this.values.get(sha256);
    return value ? Promise.resolve(value) : Promise.reject(fault("BLOB_MISSING", { sha256 }));
  }
}
