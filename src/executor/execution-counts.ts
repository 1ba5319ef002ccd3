import type { ExecutorMetrics } from "./executor.ts";

export type Ending = "successful" | "failed" | "cancelled" | "timedOut";

/** How many have ended in which way, and how long they took together. */
export class ExecutionCounts {
  #ended = { successful: 0, failed: 0, cancelled: 0, timedOut: 0 };
  #totalMs = 0;

  add(ending: Ending, executionMs: number): void {
    this.#ended[ending] += 1;
    this.#totalMs += executionMs;
  }

  reset(): void {
    this.#ended = { successful: 0, failed: 0, cancelled: 0, timedOut: 0 };
    this.#totalMs = 0;
  }

  read(): ExecutorMetrics {
    const { successful, cancelled, timedOut } = this.#ended;
    const failed = this.#ended.failed + cancelled + timedOut;
    const total = successful + failed;
    return {
      total,
      successful,
      failed,
      cancelled,
      timedOut,
      successRate: total === 0 ? 0 : successful / total,
      meanExecutionMs: total === 0 ? 0 : this.#totalMs / total,
      totalExecutionMs: this.#totalMs,
    };
  }
}
