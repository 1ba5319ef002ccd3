import { systemClock, systemRandom, systemScheduler } from "../../src/scope/index.ts";
import { openSystem, type System, type SystemOptions } from "../../src/index.ts";
import { createLog } from "../../src/telemetry/index.ts";

/** Actors on the caller's thread, in real time. */
export const inlined = (options: SystemOptions = {}): SystemOptions => ({
  ...options,
  simulation: {
    clock: systemClock,
    random: systemRandom,
    scheduler: systemScheduler,
    // What a test provokes is told by what it asserts.
    log: createLog({ component: "inline", clock: systemClock, level: "error" }),
  },
});

/**
 * A whole system with its actors on this thread, in real time: for laws that say nothing of threads, since it opens in
 * a tenth of the time. Codec, rings, stores and handler threads are those of every system.
 */
export const openInline = (options: SystemOptions): Promise<System> => openSystem(inlined(options));
