import type { Clock } from "./services.ts";

/**
 * Waits no longer than `ms` milliseconds for work that cannot be cut off, and then leaves it to itself.
 *
 * @returns undefined when the time was up first
 * @throws what the work throws
 */
export async function unlessLate<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.at(clock.now() + ms, () => late.resolve(undefined));
  return Promise.race([work, late.promise]).finally(() => timer.cancel());
}
