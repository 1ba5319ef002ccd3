import { createHash } from "node:crypto";
import { Reference, addressesIn, addressesInPieces, unpackValue } from "../codec/index.ts";
import { addressesOf, replaceReferences } from "../compute/values.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import { findNonWire } from "../schema/index.ts";
import type { BlobStore } from "../store/index.ts";
import type { Asking } from "./peer-line.ts";
import { METHOD, readBlobPiece, writeBlobAsk, type Parcel } from "./wire.ts";

export interface PullServices {
  readonly line: Asking;
  /** Null: nothing is kept on disk, and values by reference cannot be taken in. */
  readonly blobs: BlobStore | null;
  /** How long one piece may take. */
  readonly pieceMs: number;
}

/** Whose value it is, and what it may cost. */
export interface PullTerms {
  readonly peerId: string;
  /** Of all that is fetched for one input or output together. */
  readonly bytesMax: number;
  /**
   * May a value be used that is here already? Where a peer's word decides what is read, only when the peer has shown that it
   * has the value: the hash of a value alone must not open it.
   */
  readonly mayUseOwn: boolean;
  readonly signal: AbortSignal;
}

interface Pull {
  readonly ended: Promise<number>;
  readonly controller: AbortController;
  readonly bytesMax: number;
  waiting: number;
}

/** Values that peers have sent here lately: these need not be sent again. */
const DELIVERED_MAX = 10_000;

/**
 * Brings large values of other nodes here: piece by piece, with a bounded number of pieces asked for ahead, through a file
 * of its own into the blobs of this node. So it takes the memory of those few pieces, whatever the value's size.
 */
export class Pulls {
  readonly #services: PullServices;
  /** By peer and address: tasks that name the same value wait for one transfer. */
  readonly #underWay = new Map<string, Pull>();
  readonly #delivered = new Set<string>();
  /** Transfers of each peer that are under way, and those who wait for their turn. */
  readonly #turns = new Map<string, { running: number; readonly line: (() => void)[] }>();

  constructor(services: PullServices) {
    this.#services = services;
  }

  /**
   * The packed bytes of an input or output, when all that it refers to is here too.
   *
   * @throws SIZE_EXCEEDED beyond the terms, PEER_PROTOCOL for bytes that are no packed value or another than was said,
   *   UNAVAILABLE where nothing is kept on disk, CANCELLED; STORE_FULL, STORE_FAILED; what asking rejects with
   */
  async value(parcel: Parcel, terms: PullTerms): Promise<Uint8Array> {
    const bytes = parcel instanceof Uint8Array ? parcel : await this.#intoMemory(parcel, terms);
    checkPacked(terms.peerId, bytes);
    if (addressesIn(bytes).length === 0) return bytes;
    let leftBytes = terms.bytesMax - bytes.byteLength;
    const wanted = new Set(addressesOf(referencesOf(bytes)));
    const direct = new Set(wanted);
    for (const sha256 of wanted) {
      const inner = await this.#blob(sha256, { ...terms, bytesMax: leftBytes }, direct.has(sha256));
      if (inner === null) continue;
      leftBytes -= inner.sizeBytes;
      for (const each of inner.addresses) wanted.add(each);
    }
    return bytes;
  }

  /** Null for what is not there and need not be: within a value, what looks like a reference may be none. */
  async #blob(
    sha256: string,
    terms: PullTerms,
    mustBeThere: boolean,
  ): Promise<{ sizeBytes: number; addresses: ReadonlySet<string> } | null> {
    const { blobs } = this.#services;
    if (blobs === null) {
      const why =
        "this node keeps nothing on disk, and a value that is sent by reference needs a place there";
      throw fault("UNAVAILABLE", { what: "a large value", why });
    }
    try {
      const sizeBytes = await this.#intoBlobs(sha256, terms, blobs);
      return { sizeBytes, addresses: await addressesInPieces(blobs.pieces(sha256)) };
    } catch (error) {
      const isAbsent = isFault(error, "BLOB_MISSING") || isFault(error, "NOT_AUTHORIZED");
      if (isAbsent && !mustBeThere) return null;
      throw error;
    }
  }

  /** Resolves with its size when it is here. */
  async #intoBlobs(sha256: string, terms: PullTerms, blobs: BlobStore): Promise<number> {
    const key = `${terms.peerId} ${sha256}`;
    if ((terms.mayUseOwn || this.#delivered.has(key)) && (await blobs.has(sha256))) {
      await blobs.touch(sha256);
      const { sizeBytes } = await blobs.read(sha256, 0, 0);
      if (sizeBytes > terms.bytesMax) throw tooLarge(terms);
      return sizeBytes;
    }
    for (;;) {
      const pull = this.#underWay.get(key) ?? this.#begin(key, sha256, terms, blobs);
      try {
        const sizeBytes = await this.#waited(key, pull, terms.signal);
        if (sizeBytes > terms.bytesMax) throw tooLarge(terms);
        return sizeBytes;
      } catch (error) {
        // Too large for whoever began it, which says nothing about this one.
        if (!isFault(error, "SIZE_EXCEEDED") || pull.bytesMax >= terms.bytesMax) throw error;
      }
    }
  }

  /** When nobody waits for it any more, a transfer is given up. */
  async #waited(key: string, pull: Pull, signal: AbortSignal): Promise<number> {
    pull.waiting += 1;
    const leave = (): void => {
      pull.waiting -= 1;
      if (pull.waiting > 0) return;
      if (this.#underWay.get(key) === pull) this.#underWay.delete(key);
      pull.controller.abort(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      return await pull.ended;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #begin(key: string, sha256: string, terms: PullTerms, blobs: BlobStore): Pull {
    const controller = new AbortController();
    const bounded = { ...terms, signal: controller.signal };
    const run = async (): Promise<number> => {
      await this.#turn(terms.peerId);
      try {
        const { sizeBytes } = await blobs.putPieces(sha256, this.#pieces(sha256, bounded));
        this.#noteDelivered(key);
        return sizeBytes;
      } finally {
        if (this.#underWay.get(key) === pull) this.#underWay.delete(key);
        this.#endTurn(terms.peerId);
      }
    };
    const pull: Pull = { ended: run(), controller, bytesMax: terms.bytesMax, waiting: 0 };
    pull.ended.catch(() => undefined);
    this.#underWay.set(key, pull);
    return pull;
  }

  #noteDelivered(key: string): void {
    this.#delivered.add(key);
    const [oldest] = this.#delivered;
    if (this.#delivered.size > DELIVERED_MAX && oldest !== undefined) this.#delivered.delete(oldest);
  }

  async #turn(peerId: string): Promise<void> {
    const turns = this.#turns.get(peerId) ?? { running: 0, line: [] };
    this.#turns.set(peerId, turns);
    if (turns.running < LIMITS.remote.pulls) turns.running += 1;
    else await new Promise<void>((resolve) => turns.line.push(resolve));
  }

  #endTurn(peerId: string): void {
    const turns = this.#turns.get(peerId);
    const next = turns?.line.shift();
    if (next) return next();
    if (turns && (turns.running -= 1) === 0) this.#turns.delete(peerId);
  }

  async #intoMemory(
    { sha256, sizeBytes }: Exclude<Parcel, Uint8Array>,
    terms: PullTerms,
  ): Promise<Uint8Array> {
    const bytesMax = Math.min(terms.bytesMax, LIMITS.actor.messageBytes);
    if (sizeBytes > bytesMax) throw tooLarge({ ...terms, bytesMax });
    const pieces: Uint8Array[] = [];
    await this.#turn(terms.peerId);
    try {
      for await (const piece of this.#pieces(sha256, { ...terms, bytesMax })) pieces.push(piece);
    } finally {
      this.#endTurn(terms.peerId);
    }
    const bytes = new Uint8Array(Buffer.concat(pieces));
    if (createHash("sha256").update(bytes).digest("hex") === sha256) return bytes;
    throw fault("PEER_PROTOCOL", { peerId: terms.peerId, why: "a value is another than it said" });
  }

  /** In order, with so many asked for ahead: that is the credit that the other side has. */
  async *#pieces(sha256: string, terms: PullTerms): AsyncGenerator<Uint8Array> {
    const { pieceBytes, piecesAhead } = LIMITS.remote;
    const first = await this.#piece(sha256, 0, terms);
    const { sizeBytes } = first;
    if (sizeBytes > terms.bytesMax) throw tooLarge(terms);
    const asked: Promise<{ sizeBytes: number; bytes: Uint8Array }>[] = [Promise.resolve(first)];
    let next = pieceBytes;
    for (let at = 0; at < sizeBytes; at += pieceBytes) {
      for (; asked.length < piecesAhead && next < sizeBytes; next += pieceBytes) {
        const piece = this.#piece(sha256, next, terms);
        // Whichever fails first is thrown in its turn; the others fail with it.
        piece.catch(() => undefined);
        asked.push(piece);
      }
      const piece = await asked.shift();
      if (piece?.sizeBytes !== sizeBytes || piece.bytes.byteLength !== Math.min(pieceBytes, sizeBytes - at)) {
        throw fault("PEER_PROTOCOL", {
          peerId: terms.peerId,
          why: "a piece of a value has another size than it said",
        });
      }
      yield piece.bytes;
    }
  }

  async #piece(sha256: string, offset: number, { peerId, signal }: PullTerms) {
    const { line, pieceMs } = this.#services;
    const ask = writeBlobAsk({ sha256, offset, length: LIMITS.remote.pieceBytes });
    return readBlobPiece(peerId, await line.ask(peerId, METHOD.blob, ask, { timeoutMs: pieceMs, signal }));
  }
}

/** What a packed input or output takes, as far as it says: the bytes, and the values that it names. */
export function statedBytes(parcel: Parcel): number {
  if (!(parcel instanceof Uint8Array)) return parcel.sizeBytes;
  if (addressesIn(parcel).length === 0) return parcel.byteLength;
  const sizes = new Map(referencesOf(parcel).map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));
  return [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, parcel.byteLength);
}

/** @throws VALUE_CORRUPT */
function referencesOf(bytes: Uint8Array): Reference[] {
  const found: Reference[] = [];
  replaceReferences(unpackValue(bytes), (reference) => found.push(reference));
  return found;
}

/** Whatever it is, it is handed on to readers that expect a value that can cross threads. */
function checkPacked(peerId: string, bytes: Uint8Array): void {
  try {
    const found = findNonWire(unpackValue(bytes), { isWhole: (value) => value instanceof Reference });
    if (found !== undefined) throw fault("PEER_PROTOCOL", { peerId, why: `a value holds ${found}` });
  } catch (error) {
    if (!isFault(error, "VALUE_CORRUPT")) throw error;
    throw fault("PEER_PROTOCOL", { peerId, why: error.message }, { cause: error });
  }
}

const tooLarge = ({ peerId, bytesMax }: Pick<PullTerms, "peerId" | "bytesMax">): Error =>
  fault("SIZE_EXCEEDED", { what: `a value of peer ${peerId}`, limit: bytesMax, unit: "bytes" });
