import { appendFile, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { defineTasks, handler } from "mcplusplus";
import * as z from "zod";

const files = z.object({ log: z.string(), line: z.string() });

/** Handlers that leave a trace of what they did, and when. */
export default defineTasks({
  note: handler({
    input: files,
    async run({ log, line }, context) {
      await appendFile(context.path(log), `${line}\n`);
      return line;
    },
  }),
  /** Waits for a file once it has said that it began; a cancellation ends the wait, and leaves its own trace. */
  wait_for: handler({
    input: files.extend({ file: z.string() }),
    async run({ log, line, file }, context) {
      await appendFile(context.path(log), `${line} begins\n`);
      const { existsSync } = await import("node:fs");
      try {
        while (!existsSync(context.path(file))) await pause(5, undefined, { signal: context.signal });
        return line;
      } finally {
        await appendFile(context.path(log), `${line} is left\n`);
      }
    },
  }),
  large: handler({
    run: () => ({ text: "x".repeat(100_000), rows: [{ name: "first" }, { name: "second" }] }),
  }),
  reports: handler({
    async run(_input, context) {
      context.progress(0.25);
      context.progress(0.75);
      await writeFile(context.path("reported"), "");
      return "reported";
    },
  }),
});
