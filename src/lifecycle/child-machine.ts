import { setup } from "xstate";

/**
 * The life of a supervised child, in the words of OTP. `stopped` is a rest, not an end: a supervisor may start the
 * child again. `given_up` is the end: its restart intensity is used up.
 *
 * @see https://www.erlang.org/doc/system/sup_princ.html
 */
export const childMachine = setup({
  types: {
    events: {} as { type: "start" | "ready" | "crash" | "stop" | "exit" | "give_up" },
  },
}).createMachine({
  id: "child",
  initial: "stopped",
  states: {
    stopped: {
      on: { start: "starting" },
    },
    starting: {
      on: { ready: "running", crash: "restarting", stop: "stopping", give_up: "given_up" },
    },
    running: {
      on: {
        crash: "restarting",
        // A transient or temporary child ended and is not wanted again.
        exit: "stopped",
        stop: "stopping",
      },
    },
    stopping: {
      on: { exit: "stopped", crash: "stopped" },
    },
    restarting: {
      on: { start: "starting", stop: "stopped", exit: "stopped", give_up: "given_up" },
    },
    given_up: { type: "final" },
  },
});
