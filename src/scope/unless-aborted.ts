import { linkSignals } from "./link-signals.ts";

/**
 * Waits for work that cannot be cut off. When the signal aborts first, the work is left to itself.
 *
 * @throws what the work throws, or the reason of the signal
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const unlink = linkSignals([signal], () => reject(signal.reason));
  return Promise.race([work, aborted]).finally(unlink);
}
