import type { Backoff } from "./queue.protocol.ts";

export const DEFAULT_BACKOFF: Backoff = Object.freeze({
  shape: "exponential",
  delayMs: 1_000,
  factor: 2,
  maxDelayMs: 300_000,
  jitter: 0,
});

/** A task that is tried once never waits. */
export const NO_BACKOFF: Backoff = Object.freeze({ ...DEFAULT_BACKOFF, shape: "none", delayMs: 0 });

/**
 * How long to wait after attempt `attempt` failed, in whole milliseconds.
 *
 * @param attempt from 1
 * @param chance from 0 up to, not including, 1: what share of the jitter is taken off
 */
export function delayAfter(
  { shape, delayMs, factor, maxDelayMs, jitter }: Backoff,
  attempt: number,
  chance: number,
): number {
  if (shape === "none") return 0;
  const grown =
    shape === "fixed" ? delayMs : shape === "linear" ? delayMs * attempt : delayMs * factor ** (attempt - 1);
  const capped = Math.min(grown, maxDelayMs);
  return Math.round(capped * (1 - jitter * chance));
}
