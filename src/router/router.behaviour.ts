import { actor } from "../actor/index.ts";
import { RouterCore } from "./router.core.ts";
import { Router } from "./router.protocol.ts";

/** The figures live in memory alone: a restart begins anew. */
export const routerBehaviour = actor(Router, (context) => {
  let core = new RouterCore();
  context.reportHealth(() => ({ ...core.stats() }));
  return {
    measured(measurements) {
      // The sender may be plain JavaScript: what is no list is one malformed measurement.
      const list: readonly unknown[] = Array.isArray(measurements) ? measurements : [measurements];
      for (const each of list) core.measured(each);
    },
    figures: () => core.figures(),
    runtimes: () => core.runtimes(),
    detections: () => core.detections(),
    stats: () => core.stats(),
    reset() {
      core = new RouterCore();
    },
  };
});
