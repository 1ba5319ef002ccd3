import { linkSignals } from "../../scope/index.ts";

/**
 * Bounds what all that pass it hold at once. First come, first served: who asks for much is not passed over by others who
 * ask for little.
 */
export class ByteGate {
  readonly #limitBytes: number;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #heldBytes = 0;

  /** @param limitBytes whoever asks for more passes alone */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Waits until there is room, and holds it while `run` runs.
   *
   * @throws the reason of the signal, when it aborts while this waits; what `run` throws
   */
  async hold<T>(wantedBytes: number, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    const bytes = Math.min(wantedBytes, this.#limitBytes);
    await this.#enter(bytes, signal);
    try {
      return await run();
    } finally {
      this.#heldBytes -= bytes;
      this.#admit();
    }
  }

  async #enter(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { bytes, enter: resolve };
    this.#waiting.push(entry);
    this.#admit();
    const unlink = linkSignals([signal], () => {
      const at = this.#waiting.indexOf(entry);
      // It has been let in, in this very turn.
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      this.#admit();
      reject(signal.reason);
    });
    await promise.finally(unlink);
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#heldBytes + next.bytes > this.#limitBytes) return;
      this.#heldBytes += next.bytes;
      this.#waiting.shift();
      next.enter();
    }
  }
}
