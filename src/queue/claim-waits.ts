import { LIMITS, fault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";

export interface ClaimRequest {
  readonly workerId: string;
  readonly max: number;
  readonly leaseMs: number;
}

interface Waiting {
  readonly request: ClaimRequest;
  readonly resume: () => void;
}

/** Workers outside that wait for a task, first come first served. */
export class ClaimWaits {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get requests(): ClaimRequest[] {
    return Array.from(this.#waiting, ({ request }) => request);
  }

  /** Resolves when there may be something to claim, or the time is up, or the caller is gone. */
  wait(request: ClaimRequest, waitMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const limit = LIMITS.queue.waits;
    if (this.#waiting.size >= limit)
      throw fault("MAILBOX_FULL", { actor: "queue", limit, unit: "calls in flight" });
    return new Promise((resolve) => {
      const resume = (): void => {
        this.#waiting.delete(waiting);
        timer.cancel();
        signal.removeEventListener("abort", resume);
        resolve();
      };
      const waiting: Waiting = { request, resume };
      const timer = this.#clock.at(this.#clock.now() + waitMs, resume);
      this.#waiting.add(waiting);
      signal.addEventListener("abort", resume, { once: true });
    });
  }

  /** Something has changed for those for whom `may` says so: they look again. */
  wake(may: (request: ClaimRequest) => boolean): void {
    for (const { request, resume } of [...this.#waiting]) if (may(request)) resume();
  }
}
