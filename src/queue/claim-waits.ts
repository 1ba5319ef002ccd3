import { LIMITS, fault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";

export interface ClaimRequest {
  readonly workerId: string;
  readonly max: number;
  readonly leaseMs: number;
  /** Only these, if given. */
  readonly actions?: readonly string[] | undefined;
}

interface Waiting {
  readonly request: ClaimRequest;
  readonly resume: (isOver?: boolean) => void;
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

  /** Resolves when there may be something to claim, or with true: the time is up, the caller is gone or has enough. */
  wait(request: ClaimRequest, waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(true);
    const limit = LIMITS.queue.waits;
    if (this.#waiting.size >= limit)
      throw fault("MAILBOX_FULL", { actor: "queue", limit, unit: "calls in flight" });
    return new Promise((resolve) => {
      const resume = (isOver = false): void => {
        this.#waiting.delete(waiting);
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve(isOver);
      };
      const end = (): void => resume(true);
      const waiting: Waiting = { request, resume };
      const timer = this.#clock.at(this.#clock.now() + waitMs, end);
      this.#waiting.add(waiting);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  /** Those of this worker have waited long enough. Returns how many there were. */
  end(workerId: string): number {
    const its = [...this.#waiting].filter(({ request }) => request.workerId === workerId);
    for (const { resume } of its) resume(true);
    return its.length;
  }

  /** Something has changed for those for whom `may` says so: they look again. */
  wake(may: (request: ClaimRequest) => boolean): void {
    for (const { request, resume } of [...this.#waiting]) if (may(request)) resume();
  }
}
