import { setTimeout as pause } from "node:timers/promises";
import { defineTasks, handler } from "../../../src/compute/index.ts";

/** Handlers that bound their own processor time. */
export default defineTasks({
  spinsFor: handler({
    cpuMs: 100,
    run(input) {
      const { ms } = input as { readonly ms: number };
      const sinceMs = performance.now();
      let turns = 0;
      while (performance.now() - sinceMs < ms) turns += 1;
      return turns > 0;
    },
  }),
  waitsFor: handler({
    cpuMs: 100,
    async run(input) {
      const { ms } = input as { readonly ms: number };
      await pause(ms);
      return true;
    },
  }),
});
