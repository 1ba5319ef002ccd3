import type { Worker } from "node:worker_threads";

/** A look takes the thread some 20 microseconds, also in a busy loop. */
const LOOK_EVERY_MS = 25;

/**
 * Looks at a thread until it is stopped, also while the thread computes; never twice at once.
 *
 * @param thread null as long as it is not known
 * @param isOver asks the thread; a thread that has ended meanwhile is not over anything
 * @param end ends the thread; called once at most, and never after it was stopped
 * @returns stops it, and tells the id of the thread that was ended; null for none. May be called again
 */
export function watchThread(
  thread: () => Worker | null,
  isOver: (thread: Worker) => Promise<boolean>,
  end: (thread: Worker) => void,
): () => number | null {
  let endedId: number | null = null;
  let stopped = false;
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    const seen = thread();
    // Whoever runs on a thread that ends under the question hears of that in another way.
    const over = seen !== null && (await isOver(seen).catch(() => false));
    if (stopped) return;
    // An attempt that has ended meanwhile is spared, and so is the next one, which may have its thread already.
    if (over && thread() === seen) {
      endedId = seen.threadId;
      end(seen);
    } else lookAgain();
  };
  const lookAgain = (): void => {
    timer = setTimeout(() => void look(), LOOK_EVERY_MS).unref();
  };
  lookAgain();
  return () => {
    stopped = true;
    clearTimeout(timer);
    return endedId;
  };
}
