import type { Clock, Timer } from "../scope/index.ts";

/** How often is looked: what comes then has a time of its own. */
const LOOK_MS = 2_000;

export interface ParentWatchOptions {
  readonly clock: Clock;
  /** The process that this one is a child of now; default: as the system says. */
  readonly parentId?: () => number;
  /** Told once. */
  readonly onGone: () => void;
}

/**
 * Notices that the process which started this one has ended. Mostly the end of standard input tells that; it does not when
 * another process holds the other end, and then a server would live on for nobody.
 *
 * @returns ends the watch
 */
export function watchParent({
  clock,
  parentId = () => process.ppid,
  onGone,
}: ParentWatchOptions): () => void {
  const first = parentId();
  let timer: Timer;
  const look = (): void => {
    // A process whose parent has ended is given another one.
    if (parentId() !== first) onGone();
    else timer = clock.at(clock.now() + LOOK_MS, look);
  };
  timer = clock.at(clock.now() + LOOK_MS, look);
  return () => timer.cancel();
}
