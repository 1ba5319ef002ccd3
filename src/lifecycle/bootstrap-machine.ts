import { setup } from "xstate";

/**
 * How a node stands with its first peers. It has no end: a node that has lost its peers looks for others for as long as
 * it lives.
 */
export const bootstrapMachine = setup({
  types: {
    events: {} as { type: "probe" | "dial" | "reach" | "miss" | "lose" },
  },
}).createMachine({
  id: "bootstrap",
  initial: "idle",
  states: {
    idle: {
      // Others may connect to a node that looks for nobody.
      on: { probe: "probing", reach: "ready" },
    },
    probing: {
      on: {
        dial: "dialling",
        reach: "ready",
        // The network did not answer, or the caller has gone.
        miss: "degraded",
      },
    },
    dialling: {
      // Enough are connected while further ones may still be dialled; or none is left, or the time is up.
      on: { reach: "ready", miss: "degraded" },
    },
    ready: {
      on: { lose: "degraded" },
    },
    degraded: {
      on: { probe: "probing", reach: "ready" },
    },
  },
});
