import { setup } from "xstate";

/**
 * The life of one step of a run: `pending` while a dependency is unfinished, `ready` once its task may be queued,
 * `running` while a handler has it.
 */
export const stepMachine = setup({
  types: {
    events: {} as { type: "release" | "start" | "interrupt" | "complete" | "fail" | "skip" | "cancel" },
  },
}).createMachine({
  id: "step",
  initial: "pending",
  states: {
    pending: {
      on: { release: "ready", skip: "skipped", cancel: "cancelled" },
    },
    ready: {
      on: {
        start: "running",
        // Answered by the result cache, or started and ended between two looks at the queue.
        complete: "completed",
        // Its inputs refer to what is not there, or the queue refused its task.
        fail: "failed",
        // Its condition is false.
        skip: "skipped",
        cancel: "cancelled",
      },
    },
    running: {
      on: {
        // The queue has its task back in line: the thread or process under it died.
        interrupt: "ready",
        complete: "completed",
        fail: "failed",
        cancel: "cancelled",
      },
    },
    completed: { type: "final" },
    failed: { type: "final" },
    skipped: { type: "final" },
    cancelled: { type: "final" },
  },
});
