import { fault, isFault } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";

/** Between the withdrawal of work and the end of the wait for a submission that is under way. */
const SUBMIT_GRACE_MS = 3_000;

/** Why a signal was aborted, in words. */
export function reasonOf(signal: AbortSignal | undefined): string {
  const reason: unknown = signal?.reason;
  if (isFault(reason, "CANCELLED") && reason.details.reason) return reason.details.reason;
  return reason instanceof Error ? reason.message : "the caller withdrew it";
}

export const withdrawn = (what: string, signal: AbortSignal): Error =>
  fault("CANCELLED", { what, reason: reasonOf(signal) }, { cause: signal.reason });

/**
 * The answer to a submission, unless the caller gives it up and it is stuck: modules of handlers may take long to load,
 * or for ever, and whoever gives up meanwhile is not kept.
 *
 * @param undo takes back what a submission that was given up has brought about all the same, once it has
 * @throws what `submitting` rejects with; CANCELLED
 */
export async function unlessWithdrawn<T>(
  submitting: Promise<T>,
  {
    what,
    signal,
    clock,
    undo,
  }: {
    readonly what: string;
    readonly signal: AbortSignal | undefined;
    readonly clock: Clock;
    readonly undo: () => Promise<unknown>;
  },
): Promise<T> {
  if (!signal) return submitting;
  const givenUp = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const onAbort = (): void => {
    timer = clock.at(clock.now() + SUBMIT_GRACE_MS, () => {
      givenUp.reject(withdrawn(what, signal));
      submitting.then(undo).catch(() => undefined);
    });
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([submitting, givenUp.promise]);
  } finally {
    timer?.cancel();
    signal.removeEventListener("abort", onAbort);
  }
}
