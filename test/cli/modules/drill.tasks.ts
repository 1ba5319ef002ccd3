import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defineTasks, handler } from "mcplusplus";
import * as z from "zod";

/** Handlers that do what handlers should not, and some that behave. */
export default defineTasks({
  throws: handler({
    run() {
      throw new TypeError("the first line\nand a second one");
    },
  }),
  loops: handler({
    run() {
      for (;;);
    },
  }),
  exits: handler({
    run() {
      process.exit(0);
    },
  }),
  prints: handler({
    run() {
      console.log("printed by a handler");
      return "done";
    },
  }),
  /** Waits until it is cancelled; `file` then tells that its `finally` has run. */
  waits: handler({
    input: z.object({ file: z.string(), started: z.string() }),
    async run({ file, started }, context) {
      await mkdir(dirname(context.path(file)), { recursive: true });
      try {
        await writeFile(context.path(started), "started");
        await pause(3_600_000, undefined, { signal: context.signal });
        return "never";
      } finally {
        await writeFile(context.path(file), "finally has run");
      }
    },
  }),
  /** Leaves a line per run, so that a test can count the runs. */
  counts: handler({
    input: z.object({ file: z.string(), line: z.string() }),
    async run({ file, line }, context) {
      await appendFile(context.path(file), `${line}\n`);
      return line;
    },
  }),
});
