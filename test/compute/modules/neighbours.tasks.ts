import { setImmediate as turn } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { defineTasks, handler, type TaskContext } from "../../../src/compute/index.ts";

/** Handlers that share a thread, and what one of them can do to the others. */

const isolation = "shared";

/** Until it is told to stop. */
const stopped = ({ signal }: TaskContext): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

const releases = new EventTarget();
const released = (): Promise<unknown> =>
  new Promise((resolve) => releases.addEventListener("release", resolve, { once: true }));

let meeting: PromiseWithResolvers<void> | null = null;
let there = 0;

export default defineTasks({
  /** Waits politely. */
  waits: handler({
    isolation,
    run: async (_input, context) => {
      context.progress(0);
      await stopped(context);
      context.checkpoint();
    },
  }),
  /** Waits, and heeds nothing. */
  ignores: handler({
    isolation,
    run: (_input, { progress }) => {
      progress(0);
      return new Promise(() => {});
    },
  }),
  exits: handler({
    isolation,
    run: () => {
      process.exit(3);
    },
  }),
  throwsLater: handler({
    isolation,
    run: async () => {
      await turn();
      setImmediate(() => {
        throw new RangeError("thrown later");
      });
      await new Promise(() => {});
    },
  }),
  rejectsAside: handler({
    isolation,
    run: async () => {
      await turn();
      void Promise.reject(new RangeError("nobody waits for it"));
      await new Promise(() => {});
    },
  }),
  loops: handler({
    isolation,
    run: (_input, { progress }) => {
      progress(0);
      for (;;);
    },
  }),
  /** Not in the turn in which it is called, but in a later one. */
  loopsLater: handler({
    isolation,
    run: async (_input, { progress }) => {
      progress(0);
      await turn();
      for (;;);
    },
  }),
  allocates: handler({
    isolation,
    run: () => {
      const kept: Float64Array[] = [];
      for (;;) kept.push(new Float64Array(1_000_000).fill(1));
    },
  }),
  allocatesLater: handler({
    isolation,
    run: async () => {
      const kept: Float64Array[] = [];
      for (;;) {
        kept.push(new Float64Array(1_000_000).fill(1));
        await turn();
      }
    },
  }),
  leavesExit: handler({ isolation, run: () => void released().then(() => process.exit(4)) }),
  releases: handler({
    isolation,
    run: () => {
      releases.dispatchEvent(new Event("release"));
      return new Promise(() => {});
    },
  }),
  /** Ends when `count` of them are there at once, with their thread. */
  meets: handler({
    isolation,
    run: async (input, { progress }) => {
      meeting ??= Promise.withResolvers();
      progress(0);
      there += 1;
      if (there === (input as { count: number }).count) meeting.resolve();
      await meeting.promise;
      return threadId;
    },
  }),
  thread: handler({ isolation, run: () => threadId }),
  /** Speaks, gives the others a turn, and speaks again. */
  speaks: handler({
    isolation,
    run: async (input, { log, progress, taskId }) => {
      for (let round = 0; round < 3; round++) {
        console.log(`${taskId} prints ${round}`);
        log(`${taskId} logs ${round}`);
        progress(round / 3, taskId);
        await turn();
      }
      return input;
    },
  }),
  large: handler({ isolation, run: (input) => "x".repeat((input as { chars: number }).chars) }),
});
