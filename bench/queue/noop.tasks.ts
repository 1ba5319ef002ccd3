import { defineTasks, handler } from "mcplusplus";

/** A handler that does nothing, on a thread that others may share: what is measured is the queue. */
const noop = {
  description: "Does nothing.",
  isolation: "shared" as const,
  run: () => null,
};

export default defineTasks({ noop: handler(noop) });
