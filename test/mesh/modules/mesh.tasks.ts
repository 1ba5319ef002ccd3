import { appendFileSync, existsSync } from "node:fs";
import { defineTasks, handler } from "mcplusplus";

const LOOK_MS = 10;

/** Where a handler ran shows in what it returns. */
export default defineTasks({
  where: handler({
    description: "Returns the process that ran it, after some milliseconds.",
    async run({ ms = 0 }: { ms?: number }, context) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      context.signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      clearTimeout(timer);
      context.signal.throwIfAborted();
      return { pid: process.pid };
    },
  }),
  witness: handler({
    description:
      "Writes into a file that it begins, waits until there is another file, and writes how it ends.",
    async run({ name, file, gate }: { name: string; file: string; gate: string }, context) {
      const note = (what: string): void => appendFileSync(file, `${name} ${what} ${process.pid}\n`);
      note("began");
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = setInterval(() => existsSync(gate) && resolve(), LOOK_MS);
      context.signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      clearInterval(look);
      note(context.signal.aborted ? "stopped" : "ended");
      context.signal.throwIfAborted();
      return { pid: process.pid };
    },
  }),
  length: handler({
    description: "The length of a text.",
    isolation: "shared",
    run: ({ text }: { text: string }) => text.length,
  }),
  square: handler({
    description: "The square of a number.",
    isolation: "shared",
    run: ({ n }: { n: number }) => n * n,
  }),
  sum: handler({
    description: "The sum of a list.",
    isolation: "shared",
    run: ({ of }: { of: number[] }) => of.reduce((sum, each) => sum + each, 0),
  }),
});
