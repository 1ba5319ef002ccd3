import { setup } from "xstate";

/** The life of what undoes one step of a run: `pending` until its turn, `running` while a handler has it. */
export const compensationMachine = setup({
  types: {
    events: {} as { type: "start" | "interrupt" | "complete" | "fail" | "skip" },
  },
}).createMachine({
  id: "compensation",
  initial: "pending",
  states: {
    pending: {
      on: {
        start: "running",
        // Started and ended between two looks at the queue.
        complete: "completed",
        // Its inputs refer to what is not there, or the queue refused its task.
        fail: "failed",
        // The run is stopped by force.
        skip: "skipped",
      },
    },
    running: {
      on: {
        // The queue has its task back in line: the thread or process under it died.
        interrupt: "pending",
        complete: "completed",
        fail: "failed",
      },
    },
    completed: { type: "final" },
    failed: { type: "final" },
    skipped: { type: "final" },
  },
});
