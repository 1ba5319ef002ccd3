import { setup } from "xstate";

/**
 * The life of one run of a workflow. `cancelling` lasts until no step of the run executes any more, and it always
 * ends in `cancelled`: a caller who was told that a run is being cancelled never finds it completed.
 */
export const runMachine = setup({
  types: {
    events: {} as {
      type: "start" | "complete" | "fail" | "pause" | "resume" | "wait" | "cancel" | "stop";
    },
  },
}).createMachine({
  id: "run",
  initial: "submitted",
  states: {
    // It waits for other workflows; most runs wait for none.
    submitted: {
      on: { start: "running", fail: "failed", pause: "paused", cancel: "cancelled" },
    },
    running: {
      on: { complete: "completed", fail: "failed", pause: "paused", cancel: "cancelling" },
    },
    // No new step starts; those that run may end, and the last of them may end the run. One that had not started goes
    // back to waiting for other workflows.
    paused: {
      on: {
        resume: "running",
        wait: "submitted",
        complete: "completed",
        fail: "failed",
        cancel: "cancelling",
      },
    },
    cancelling: {
      on: { stop: "cancelled" },
    },
    completed: { type: "final" },
    failed: { type: "final" },
    cancelled: { type: "final" },
  },
});
