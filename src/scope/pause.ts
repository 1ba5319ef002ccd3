import { linkSignals } from "./link-signals.ts";
import type { Clock } from "./services.ts";

/** What waiting needs. */
export interface Patience {
  readonly clock: Clock;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

/**
 * Resolves after `ms` milliseconds, or as soon as the signal, if there is one, aborts: for loops that look at their signal anyway. In a scope,
 * `scope.sleep` rejects instead.
 */
export async function pause(
  ms: number,
  { clock, signal }: Pick<Patience, "clock"> & Partial<Patience>,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.at(clock.now() + ms, resolve);
  const unlink = linkSignals(signal ? [signal] : [], () => resolve());
  await promise;
  timer.cancel();
  unlink();
}
