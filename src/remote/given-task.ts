import type { Lease } from "../queue/queue.protocol.ts";

/** A task of this node in the hands of a peer, until its lease is over. */
export class GivenTask {
  readonly lease: Lease;
  /** The peer's count of messages with tasks when it took this one; null = it has not said so yet. */
  sequence: number | null = null;
  /** Its end is being told to the queue: nothing else can become of it. */
  settling: Promise<void> | null = null;
  /** The peer was told to stop it. */
  isStopped = false;
  /** Its output is being fetched. */
  isPulling = false;
  /** When its progress was passed on last. */
  reportedAtMs = -Infinity;
  readonly #gone = new AbortController();

  constructor(lease: Lease) {
    this.lease = lease;
  }

  /** Aborts when it is no longer this peer's. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  leave(reason: Error): void {
    this.#gone.abort(reason);
  }
}
