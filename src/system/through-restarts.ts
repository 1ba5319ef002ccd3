import type { Ref } from "../actor/index.ts";
import { isFault } from "../errors/index.ts";

/** Restarts of one actor that a single request outlives; a crash loop ends earlier, by the restart intensity. */
const TRIES_MAX = 8;

/**
 * Carries a request that may safely be asked again (a question, or a submit with an id) through restarts of the
 * actor: when it dies in the middle, waits until it is back and asks again.
 */
export async function throughRestarts<T>(
  ref: Pick<Ref, "ready">,
  ask: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!isFault(error, "ACTOR_RESTARTING") || tries === TRIES_MAX) throw error;
      await ref.ready(signal ? { signal } : {});
    }
  }
}
