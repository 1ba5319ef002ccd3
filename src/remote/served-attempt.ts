import type { EndItem, StartItem } from "./wire.ts";

/** One attempt of a peer's task that is carried out here. */
export class ServedAttempt {
  readonly item: StartItem;
  /** Aborts when it is to stop. */
  readonly #stop = new AbortController();
  /** Its handler has been asked for: from then on the queue has to be told to stop it. */
  isRunning = false;
  /** Null while it goes on. */
  end: EndItem | null = null;
  /** Its end was sent and not taken yet: it is sent again with the next sign of life. */
  wasTold = false;
  /** What was not told yet. */
  progress: { readonly fraction: number; readonly message: string } | null = null;

  constructor(item: StartItem) {
    this.item = item;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get isStopping(): boolean {
    return this.#stop.signal.aborted;
  }

  stop(reason: Error): void {
    this.#stop.abort(reason);
  }
}
