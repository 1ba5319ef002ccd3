import { createHash } from "node:crypto";
import { addressesIn, addressesInPieces } from "../codec/index.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import type { BlobStore } from "../store/index.ts";
import type { BlobAsk, BlobPiece, Parcel } from "./wire.ts";

/** What one task lets its peer ask for. */
interface Lot {
  /** Too large to travel with the task, and not on disk as such: by its hash. */
  readonly memory: ReadonlyMap<string, Uint8Array>;
  /** Of values on disk: those that it names, and once it was asked for them those that these name in their turn. */
  addresses: ReadonlySet<string>;
  /** Null until somebody has asked for something that the task itself does not name. */
  closing: Promise<ReadonlySet<string>> | null;
}

/**
 * Large values of the tasks that are under way, for the peers that have a part in them. A peer may read what its tasks
 * name, for as long as they are under way, and nothing else.
 */
export class Shelf {
  readonly #blobs: Pick<BlobStore, "read" | "pieces"> | null;
  readonly #lots = new Map<string, Map<number, Lot>>();

  constructor(blobs: Pick<BlobStore, "read" | "pieces"> | null) {
    this.#blobs = blobs;
  }

  /** Packed bytes as they travel: themselves, or where they can be asked for from now on until `clear`. */
  put(peerId: string, token: number, bytes: Uint8Array): Parcel {
    const isLarge = bytes.byteLength > LIMITS.remote.inlineBytes;
    const addresses = this.#blobs === null ? [] : addressesIn(bytes);
    if (!isLarge && addresses.length === 0) return bytes;
    const sha256 = isLarge ? createHash("sha256").update(bytes).digest("hex") : null;
    const lots = this.#lots.get(peerId) ?? new Map<number, Lot>();
    this.#lots.set(peerId, lots);
    lots.set(token, {
      memory: new Map(sha256 === null ? [] : [[sha256, bytes]]),
      addresses: new Set(addresses),
      closing: null,
    });
    return sha256 === null ? bytes : { sha256, sizeBytes: bytes.byteLength };
  }

  /** The task is over, as far as the peer is concerned. */
  clear(peerId: string, token: number): void {
    const lots = this.#lots.get(peerId);
    if (lots?.delete(token) && lots.size === 0) this.#lots.delete(peerId);
  }

  /**
   * A part of a value, for a peer that has a task which names it.
   *
   * @throws NOT_AUTHORIZED when it has none; BLOB_MISSING, FILE_UNREADABLE
   */
  async read(peerId: string, { sha256, offset, length }: BlobAsk): Promise<BlobPiece> {
    const lots = [...(this.#lots.get(peerId)?.values() ?? [])];
    for (const { memory } of lots) {
      const bytes = memory.get(sha256);
      if (bytes) return { sizeBytes: bytes.byteLength, bytes: bytes.subarray(offset, offset + length) };
    }
    const blobs = this.#blobs;
    const isNamed =
      lots.some(({ addresses }) => addresses.has(sha256)) || (await this.#isWithin(lots, sha256));
    if (blobs === null || !isNamed) {
      const why = "no task that it has a part in names this value";
      throw fault("NOT_AUTHORIZED", { peerId, what: "read a stored value", why });
    }
    return blobs.read(sha256, offset, length);
  }

  /** Is it named within a value that one of the tasks names? Each task's values are read through once at the most. */
  async #isWithin(lots: readonly Lot[], sha256: string): Promise<boolean> {
    for (const lot of lots) {
      lot.closing ??= this.#closureOf(lot.addresses);
      lot.addresses = await lot.closing;
      if (lot.addresses.has(sha256)) return true;
    }
    return false;
  }

  async #closureOf(named: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const all = new Set(named);
    // It grows while it is gone through.
    for (const address of all) for (const inner of await this.#namedIn(address)) all.add(inner);
    return all;
  }

  async #namedIn(address: string): Promise<ReadonlySet<string>> {
    try {
      return this.#blobs === null ? new Set() : await addressesInPieces(this.#blobs.pieces(address));
    } catch (error) {
      // What only looks like a reference leads to nothing.
      if (isFault(error, "BLOB_MISSING")) return new Set();
      throw error;
    }
  }
}
