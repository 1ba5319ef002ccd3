import { isFault } from "../errors/index.ts";
import { pause, type Patience } from "../scope/index.ts";
import type { Ref } from "./protocol.ts";

/** First and longest pause before something that failed is tried again. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 5_000;

/**
 * Resolves when it makes sense to ask an actor again that has failed to answer: when it is up, when its mailbox has
 * room, or else after a pause that doubles with each of `tries`. When there is nothing to wait for any more, because
 * the actor has been stopped or the signal aborts, it resolves too: asking again tells.
 */
export async function untilAgain(
  actor: Pick<Ref, "ready" | "writable">,
  error: unknown,
  tries: number,
  patience: Patience,
): Promise<void> {
  try {
    await comeBack(actor, error, tries, patience);
  } catch (ended) {
    if (!isFault(ended)) throw ended;
  }
}

async function comeBack(
  actor: Pick<Ref, "ready" | "writable">,
  error: unknown,
  tries: number,
  patience: Patience,
): Promise<void> {
  const { signal } = patience;
  if (isFault(error, "MAILBOX_FULL")) return actor.writable({ signal });
  const isDown = isFault(error, "ACTOR_RESTARTING") || isFault(error, "DEFECT");
  if (isDown) await actor.ready({ signal });
  if (isDown && tries === 0) return;
  await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** tries), patience);
}

/** Would asking again be of any use? A stopped actor stays stopped; every other fault of this kind passes. */
export function mayPass(error: unknown): boolean {
  return isFault(error) && (error.retryable || error.code === "DEFECT");
}

/**
 * Asks an actor, again and again, until it answers, or says for good that it will not.
 *
 * @throws what asking throws then; DEADLINE_EXCEEDED when the caller's own time is over; what is thrown when the signal
 *   has been aborted
 */
export async function untilAnswered<T>(
  actor: Pick<Ref, "ready" | "writable">,
  ask: () => Promise<T>,
  patience: Patience,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (patience.signal.aborted || !mayPass(error) || isFault(error, "DEADLINE_EXCEEDED")) throw error;
      await untilAgain(actor, error, tries, patience);
    }
  }
}
