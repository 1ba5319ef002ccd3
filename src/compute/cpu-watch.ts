import type { Worker } from "node:worker_threads";
import { watchThread } from "./thread-watch.ts";

/**
 * Ends a thread that has computed for longer than its attempt may. A time-out bounds how long an attempt takes; this
 * bounds what it takes from the others, so that one which waits for a slow answer may wait, and one which spins may not.
 *
 * @param limitMs what the attempt on the thread may use; null while that is not known, or when there is no bound
 * @see watchThread for the rest
 */
export function watchCpu(
  limitMs: () => number | null,
  thread: () => Worker | null,
  end: (thread: Worker) => void,
): () => number | null {
  /** What the thread had used when the attempt was first seen: one look of its own time at most goes uncounted. */
  let beforeMs: number | null = null;
  const isOver = async (seen: Worker): Promise<boolean> => {
    const limit = limitMs();
    if (limit === null) return false;
    const { user, system } = await seen.cpuUsage();
    const usedMs = (user + system) / 1_000;
    beforeMs ??= usedMs;
    return usedMs - beforeMs > limit;
  };
  return watchThread(thread, isOver, end);
}
