import type { Connection, Stream } from "@libp2p/interface";
import { LIMITS, fault, type Fault } from "../../errors/index.ts";
import { invalidArgument } from "../../schema/index.ts";
import { linkSignals, unlessAborted, type Clock, type Timer } from "../../scope/index.ts";
import { closeSoon, errorOf, listenTo } from "./libp2p-stream.ts";
import type { Refusals } from "./refusals.ts";

const { readBytes, unreadBytes, streams, streamsPerPeer, firstReadMs, abandonedMs } = LIMITS.network;
/** Beyond this the sender is to wait; below half of it, to go on. */
const PAUSE_BYTES = unreadBytes / 4;
/** After a graceful end, what the other side may still take to close its half. */
const LINGER_MS = 10_000;
/** How long the end of a stream waits for whoever reads it. */
const ENDED_MS = 30_000;

interface StreamPlace {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly defect: (error: unknown) => void;
}

/** A stream of a foreign protocol: bytes wait here, within a bound, until somebody reads them. */
export class ByteStreamEnd {
  readonly peerId: string;
  readonly protocol: string;
  readonly #stream: Stream;
  readonly #place: StreamPlace;
  readonly #chunks: Uint8Array[] = [];
  #unreadBytes = 0;
  #isResuming = false;
  #isFinished = false;
  #closed: Fault | null = null;
  #reader: PromiseWithResolvers<void> | null = null;
  /** Writes, one after the other. */
  #writing: Promise<void> = Promise.resolve();
  #unsentBytes = 0;
  #askedMs: number;
  #firstRead: Timer | undefined;
  receivedBytes = 0;
  sentBytes = 0;

  constructor(stream: Stream, peerId: string, place: StreamPlace, ended: () => void) {
    this.peerId = peerId;
    this.protocol = stream.protocol;
    this.#stream = stream;
    this.#place = place;
    this.#askedMs = place.clock.now();
    listenTo(stream, {
      bytes: (chunk) => this.#take(chunk),
      drained: () => undefined,
      finished: () => {
        this.#isFinished = true;
        this.#wakeAtEnd();
      },
      closed: (why) => {
        this.#closed ??= fault("PEER_LOST", { peerId, why: why ?? "the stream was closed" });
        this.#firstRead?.cancel();
        this.#reader?.resolve();
        ended();
      },
      defect: place.defect,
    });
    // After the last bytes of a paused stream.
    stream.addEventListener("end", () => this.#wakeAtEnd());
  }

  /** Nobody has asked it anything for that long. */
  idleMs(): number {
    return this.#reader === null && this.#unsentBytes === 0 ? this.#place.clock.now() - this.#askedMs : 0;
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  /** It was opened by the peer: somebody must want it soon. */
  awaitFirstRead(): void {
    const { clock, refusals } = this.#place;
    this.#firstRead = clock.at(clock.now() + firstReadMs, () => {
      refusals.count("streams");
      this.reset(`nobody read it within ${firstReadMs / 1_000} s`);
    });
  }

  /** @throws PEER_LOST, INVALID_ARGUMENT, and the reason of the signal; then nothing was taken out */
  async read(signal: AbortSignal): Promise<Uint8Array | null> {
    this.#firstRead?.cancel();
    this.#firstRead = undefined;
    if (this.#reader !== null) throw invalidArgument("streamId", "being read already", "one read at a time");
    this.#resume();
    if (this.#chunks.length === 0 && !this.#isAtEnd && this.#closed === null) {
      const reader = Promise.withResolvers<void>();
      this.#reader = reader;
      try {
        await unlessAborted(reader.promise, signal);
      } finally {
        this.#reader = null;
        this.#askedMs = this.#place.clock.now();
      }
    }
    this.#askedMs = this.#place.clock.now();
    const bytes = this.#takeOut();
    if (bytes !== null) return bytes;
    if (this.#isAtEnd) return null;
    throw this.#closed ?? fault("PEER_LOST", { peerId: this.peerId, why: "the stream was closed" });
  }

  /** Resolves when there is room for more. @throws PEER_LOST, MESSAGE_TOO_LARGE, MAILBOX_FULL, and the reason of the signal */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const actor = `a stream to peer ${this.peerId}`;
    if (bytes.length > unreadBytes) {
      const details = { actor, sizeBytes: bytes.length, limitBytes: unreadBytes };
      return Promise.reject(fault("MESSAGE_TOO_LARGE", details));
    }
    if (this.#unsentBytes > 0 && this.#unsentBytes + bytes.length > 2 * unreadBytes)
      return Promise.reject(fault("MAILBOX_FULL", { actor, limit: 2 * unreadBytes, unit: "bytes" }));
    this.#unsentBytes += bytes.length;
    const written = this.#writing.then(() => this.#write(bytes, signal));
    this.#writing = written.then(
      () => this.#written(bytes.length),
      () => this.#written(bytes.length),
    );
    return written;
  }

  async close(): Promise<void> {
    await this.#writing;
    await closeSoon(this.#stream);
    if (this.#closed !== null) return;
    const { clock } = this.#place;
    clock.at(clock.now() + LINGER_MS, () => this.reset("its other end was not closed"));
  }

  reset(why: string): void {
    this.#firstRead?.cancel();
    this.#stream.abort(new Error(why));
  }

  #written(bytes: number): void {
    this.#unsentBytes -= bytes;
    this.#askedMs = this.#place.clock.now();
  }

  async #write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#closed !== null) throw this.#closed;
    let hasRoom: boolean;
    try {
      hasRoom = this.#stream.send(bytes);
    } catch (error) {
      throw fault("PEER_LOST", { peerId: this.peerId, why: errorOf(error).message }, { cause: error });
    }
    this.sentBytes += bytes.length;
    if (!hasRoom) await this.#drained(signal);
  }

  /** With listeners of its own: the stream's promise of the same resolves at once from its second use on. */
  #drained(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const unlink = linkSignals([signal], () => reject(signal.reason));
    const onClose = (): void =>
      reject(this.#closed ?? fault("PEER_LOST", { peerId: this.peerId, why: "it was closed" }));
    this.#stream.addEventListener("drain", () => resolve(), { once: true });
    this.#stream.addEventListener("close", onClose, { once: true });
    return promise.finally(() => {
      unlink();
      this.#stream.removeEventListener("close", onClose);
    });
  }

  get #isAtEnd(): boolean {
    return this.#isFinished && this.#chunks.length === 0 && this.#stream.readBufferLength === 0;
  }

  #wakeAtEnd(): void {
    if (this.#isAtEnd) this.#reader?.resolve();
  }

  #take(chunk: Uint8Array): void {
    this.receivedBytes += chunk.length;
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes > unreadBytes) {
      this.#place.refusals.count("slow_reader");
      this.reset(`more than ${unreadBytes} bytes wait for their reader`);
      return;
    }
    // A copy: what it is cut from is larger.
    this.#chunks.push(new Uint8Array(chunk));
    this.#reader?.resolve();
    // Paused while it resumes, the stream would go on giving credit all the same.
    if (this.#unreadBytes > PAUSE_BYTES && !this.#isResuming && this.#stream.readStatus === "readable")
      this.#stream.pause();
  }

  #takeOut(): Uint8Array | null {
    const first = this.#chunks[0];
    if (first === undefined) return null;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (let next: Uint8Array | undefined = first; next !== undefined; next = this.#chunks[0]) {
      const room = readBytes - bytes;
      if (room === 0) break;
      parts.push(next.length <= room ? next : next.subarray(0, room));
      bytes += Math.min(room, next.length);
      if (next.length <= room) this.#chunks.shift();
      else this.#chunks[0] = next.subarray(room);
    }
    this.#unreadBytes -= bytes;
    if (parts.length === 1 && parts[0] === first) return first;
    return new Uint8Array(Buffer.concat(parts));
  }

  #resume(): void {
    if (this.#stream.readStatus !== "paused" || this.#unreadBytes > PAUSE_BYTES / 2) return;
    this.#isResuming = true;
    this.#stream.resume();
    this.#isResuming = false;
    if (this.#unreadBytes > PAUSE_BYTES && this.#readStatus() === "readable") this.#stream.pause();
  }

  /** Asked anew: resuming may have ended it. */
  #readStatus(): Stream["readStatus"] {
    return this.#stream.readStatus;
  }
}

export interface StreamsPlace extends StreamPlace {
  readonly opened: (streamId: number, peerId: string, protocol: string) => void;
  /** What has gone over a stream that has ended. */
  readonly carried: (peerId: string, sentBytes: number, receivedBytes: number) => void;
}

/** All streams of foreign protocols, by their numbers. */
export class ByteStreams {
  readonly #place: StreamsPlace;
  readonly #streams = new Map<number, ByteStreamEnd>();
  #lastId = 0;
  #sweep: Timer | undefined;

  constructor(place: StreamsPlace) {
    this.#place = place;
  }

  get open(): number {
    return this.#streams.size;
  }

  /** Is there room for one more that we open? @throws PEER_LIMITED */
  checkRoom(peerId: string, protocol: string): void {
    if (this.#hasRoom(peerId, protocol)) return;
    throw fault("PEER_LIMITED", { peerId, what: protocol, limit: streamsPerPeer, unit: "streams" });
  }

  /** Takes a stream in that we have opened. */
  add(stream: Stream, peerId: string): number {
    const streamId = ++this.#lastId;
    const end = new ByteStreamEnd(stream, peerId, this.#place, () => {
      this.#place.carried(peerId, end.sentBytes, end.receivedBytes);
      // Its reader may not have heard of the end yet.
      this.#sweepLater();
    });
    this.#streams.set(streamId, end);
    this.#sweepLater();
    return streamId;
  }

  /** A peer has opened one. */
  accept(stream: Stream, connection: Connection): void {
    const peerId = connection.remotePeer.toString();
    if (!this.#hasRoom(peerId, stream.protocol)) {
      this.#place.refusals.count("streams");
      stream.abort(new Error(`at most ${streamsPerPeer} streams of ${stream.protocol}`));
      return;
    }
    const streamId = this.add(stream, peerId);
    this.#of(streamId).awaitFirstRead();
    this.#place.opened(streamId, peerId, stream.protocol);
  }

  async read(streamId: number, signal: AbortSignal): Promise<Uint8Array | null> {
    return this.#of(streamId).read(signal);
  }

  async write(streamId: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return this.#of(streamId).write(bytes, signal);
  }

  async close(streamId: number, graceful: boolean): Promise<void> {
    const end = this.#streams.get(streamId);
    if (end === undefined) return;
    this.#streams.delete(streamId);
    if (graceful) await end.close();
    else end.reset("its reader has closed it");
  }

  closeAll(): void {
    this.#sweep?.cancel();
    for (const end of this.#streams.values()) end.reset("the node stops");
    this.#streams.clear();
  }

  #of(streamId: number): ByteStreamEnd {
    const end = this.#streams.get(streamId);
    if (end === undefined)
      throw invalidArgument("streamId", String(streamId), "the number of a stream that is open");
    return end;
  }

  #hasRoom(peerId: string, protocol: string): boolean {
    if (this.#streams.size >= streams) return false;
    let own = 0;
    for (const each of this.#streams.values())
      if (!each.isClosed && each.peerId === peerId && each.protocol === protocol) own += 1;
    return own < streamsPerPeer;
  }

  /** Whoever had a stream may have gone without a word. */
  #sweepLater(): void {
    const { clock } = this.#place;
    this.#sweep ??= clock.at(clock.now() + ENDED_MS, () => {
      this.#sweep = undefined;
      for (const [streamId, end] of this.#streams) {
        if (end.idleMs() < (end.isClosed ? ENDED_MS : abandonedMs)) continue;
        this.#streams.delete(streamId);
        end.reset("nobody asks anything of it");
      }
      if (this.#streams.size > 0) this.#sweepLater();
    });
  }
}
