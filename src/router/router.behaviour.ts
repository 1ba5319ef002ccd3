import { actor } from "../actor/index.ts";
import { RouterCore } from "./router.core.ts";
import { Router } from "./router.protocol.ts";

/** The figures live in memory alone: a restart begins anew. */
export const routerBehaviour = actor(Router, (context) => {
  const core = new RouterCore();
  context.reportHealth(() => ({ ...core.stats() }));
  return {
    measured: (measurement) => core.measured(measurement),
    figures: () => core.figures(),
    stats: () => core.stats(),
  };
});
