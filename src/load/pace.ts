import { systemClock, type Clock } from "../scope/index.ts";

/**
 * How the generator waits for the next arrival. `timer` sleeps, and is late by what Node's timers are late by: up to
 * about a millisecond. `spin` asks the clock again and again for the last stretch: punctual, for the price of a core.
 */
export type Pace = "timer" | "spin";

/** Timers end at most so much later than they were asked to on an idle machine. */
const SPIN_MS = 2;

/** The system's clock with timers that keep the process alive, and that are as punctual as the pace says. */
export function paceClock(pace: Pace): Clock {
  const stretchMs = pace === "spin" ? SPIN_MS : 0;
  return {
    now: () => systemClock.now(),
    wallNow: () => systemClock.wallNow(),
    at(atMs, run) {
      let cancelled = false;
      let timer: NodeJS.Timeout | undefined;
      const look = (): void => {
        if (cancelled) return;
        const leftMs = atMs - systemClock.now();
        if (leftMs <= 0) return run();
        // Each turn in between reads the replies that have come.
        if (leftMs <= stretchMs) setImmediate(look);
        else timer = setTimeout(look, Math.ceil(leftMs - stretchMs));
      };
      // What is due already runs in the next turn, never within this call.
      if (atMs <= systemClock.now()) setImmediate(look);
      else look();
      return {
        cancel() {
          cancelled = true;
          clearTimeout(timer);
        },
      };
    },
  };
}
