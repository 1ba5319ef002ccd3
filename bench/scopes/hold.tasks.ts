import { appendFileSync } from "node:fs";
import { once } from "node:events";
import { defineTasks, handler, type TaskContext } from "mcplusplus";

/** What a handler leaves in the file that its input names: that it has begun, and that its `finally` has run. */
export const BEGUN = "b";
export const LEFT = "l";

/** A cooperative handler: holds its place until its signal aborts, and then cleans up. */
const hold = {
  description: "Waits until it is cancelled.",
  isolation: "shared" as const,
  async run(input: unknown, { signal }: TaskContext): Promise<null> {
    const { path } = input as { readonly path: string };
    appendFileSync(path, BEGUN);
    try {
      if (!signal.aborted) await once(signal, "abort");
      return null;
    } finally {
      appendFileSync(path, LEFT);
    }
  },
};

export default defineTasks({ hold: handler(hold) });
