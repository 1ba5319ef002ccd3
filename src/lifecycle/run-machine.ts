import { setup } from "xstate";

/**
 * The life of one run of a workflow. `cancelling` lasts until no step of the run executes any more, and it always
 * ends in `cancelled`: a caller who was told that a run is being cancelled never finds it completed.
 */
export const runMachine = setup({
  types: {
    events: {} as { type: "start" | "complete" | "fail" | "pause" | "resume" | "cancel" | "stop" },
  },
}).createMachine({
  id: "run",
  initial: "submitted",
  states: {
    submitted: {
      on: { start: "running", cancel: "cancelled" },
    },
    running: {
      on: { complete: "completed", fail: "failed", pause: "paused", cancel: "cancelling" },
    },
    // No new step starts; those that run may end, and the last of them may end the run.
    paused: {
      on: { resume: "running", complete: "completed", fail: "failed", cancel: "cancelling" },
    },
    cancelling: {
      on: { stop: "cancelled" },
    },
    completed: { type: "final" },
    failed: { type: "final" },
    cancelled: { type: "final" },
  },
});
