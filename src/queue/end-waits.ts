import { LIMITS, fault } from "../errors/index.ts";
import type { TaskOutcome } from "./queue.protocol.ts";

/** Who waits for the ends of tasks. */
export class EndWaits {
  readonly #waits = new Map<string, Set<(outcome: TaskOutcome) => void>>();
  #count = 0;

  /** @param signal of the call that waits @throws MAILBOX_FULL when too many wait already */
  wait(taskId: string, signal: AbortSignal): Promise<TaskOutcome> {
    // A signal that was given before says nothing any more, and the wait would stay until the task ends.
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const limit = LIMITS.queue.waits;
    if (this.#count >= limit) throw fault("MAILBOX_FULL", { actor: "queue", limit, unit: "calls in flight" });
    this.#count += 1;
    const waits = this.#waits.get(taskId) ?? new Set();
    this.#waits.set(taskId, waits);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#count -= 1;
        waits.delete(tell);
        if (waits.size === 0) this.#waits.delete(taskId);
        signal.removeEventListener("abort", onAbort);
      };
      const tell = (outcome: TaskOutcome): void => {
        leave();
        resolve(outcome);
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      waits.add(tell);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Does anybody wait for this one? */
  has(taskId: string): boolean {
    return this.#waits.has(taskId);
  }

  tell(outcome: TaskOutcome): void {
    for (const tell of this.#waits.get(outcome.taskId) ?? []) tell(outcome);
  }
}
