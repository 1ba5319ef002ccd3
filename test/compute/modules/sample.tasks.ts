import { writeFileSync } from "node:fs";
import { defineTasks, handler, type TaskContext } from "../../../src/compute/index.ts";

/** Handlers that do everything a handler can do wrong, and what they can do right, for the tests of the real pool. */

const forever = (context: TaskContext): Promise<never> =>
  new Promise((_, reject) => {
    context.signal.addEventListener("abort", () => reject(context.signal.reason as Error), { once: true });
  });

const path = (input: unknown): string => String((input as { path: unknown }).path);

const releases = new EventTarget();
const afterRelease = (): Promise<unknown> =>
  new Promise((resolve) => releases.addEventListener("release", resolve, { once: true }));

console.log("the sample module is imported");

export const sample = defineTasks({
  exit: handler({
    run: (input) => {
      process.exit((input as { exitCode: number }).exitCode);
    },
  }),
  allocate: handler({
    run: () => {
      const kept: number[][] = [];
      for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => index));
    },
  }),
  spin: handler({
    run: () => {
      for (;;);
    },
  }),
  spinPolitely: handler({
    run: (input, { signal, checkpoint, progress }) => {
      progress(0.5, "spinning");
      try {
        while (!signal.aborted);
        checkpoint();
      } finally {
        writeFileSync(path(input), "cleaned up");
      }
    },
  }),
  waitPolitely: handler({
    run: async (input, context) => {
      context.progress(0.5, "waiting");
      try {
        await forever(context);
      } finally {
        writeFileSync(path(input), "cleaned up");
      }
    },
  }),
  ignore: handler({
    run: (_input, context) => {
      context.progress(0.5, "ignoring");
      return new Promise(() => {});
    },
  }),
  throwLate: handler({
    run: () => {
      setTimeout(() => {
        throw new RangeError("thrown late");
      }, 1);
      return new Promise(() => {});
    },
  }),
  leaveBomb: handler({
    run: () => {
      void afterRelease().then(() =>
        setImmediate(() => {
          throw new Error("left behind");
        }),
      );
      return "left";
    },
  }),
  leaveExit: handler({
    run: () => {
      void afterRelease().then(() => process.exit(4));
      return "left";
    },
  }),
  leaveFuse: handler({
    run: () => {
      new BroadcastChannel("fuse").addEventListener("message", () => {
        throw new Error("thrown while idle");
      });
      return "left";
    },
  }),
  release: handler({
    run: () => {
      releases.dispatchEvent(new Event("release"));
      return new Promise(() => {});
    },
  }),
  resolve: handler({ run: (input, context) => context.path(path(input)) }),
  print: handler({
    run: (_input, { log }) => {
      console.log("printed %d", 1);
      console.error("printed to standard error");
      process.stdout.write("written\n");
      log("logged", { rows: 3 });
      return null;
    },
  }),
  big: handler({ run: () => ({ rows: Array.from({ length: 50_000 }, (_, id) => ({ id })) }) }),
  keepParts: handler({
    run: async (_input, { keep }) => ({ parts: [await keep(["a", "b"]), await keep({ deep: { c: 3 } })] }),
  }),
  progressBurst: handler({
    run: (_input, { progress }) => {
      for (let step = 1; step <= 1_000; step++) progress(step / 1_000, `step ${step}`);
      return null;
    },
  }),
  stripsTypes: handler({
    run: () =>
      (process as unknown as { moduleLoadList: string[] }).moduleLoadList.some((name) =>
        name.includes("amaro"),
      ),
  }),
  thread: handler({ run: async () => (await import("node:worker_threads")).threadId }),
});
