import { setup } from "xstate";

/**
 * The life of a task in the queue. Waiting for others, for a time or for a retry is `queued` too.
 *
 * A handler that ends by itself after a cancellation was asked for has the last word when it succeeded: the work is
 * done and saying otherwise would be a lie. Its error in that state is the echo of the cancellation.
 */
export const taskMachine = setup({
  types: {
    events: {} as {
      type: "start" | "complete" | "fail" | "retry" | "interrupt" | "cancel" | "stop";
    },
  },
}).createMachine({
  id: "task",
  initial: "queued",
  states: {
    queued: {
      on: { start: "running", cancel: "cancelled", fail: "failed" },
    },
    running: {
      on: {
        complete: "completed",
        // The last attempt failed, or the interruptions are used up.
        fail: "failed",
        // An attempt failed and others are left.
        retry: "queued",
        // The thread or process under it died; the attempt is not charged.
        interrupt: "queued",
        cancel: "cancelling",
      },
    },
    cancelling: {
      on: { complete: "completed", fail: "cancelled", interrupt: "cancelled", stop: "cancelled" },
    },
    completed: { type: "final" },
    failed: { type: "final" },
    cancelled: { type: "final" },
  },
});
