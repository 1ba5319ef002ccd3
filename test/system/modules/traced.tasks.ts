import { defineTasks, handler } from "mcplusplus";

/** Says which trace it is part of; where it is told to, only at the second attempt. */
export default defineTasks({
  traced: handler({
    run(input, { traceparent, attempt, log }) {
      log("traced");
      const { failures = 0 } = (input ?? {}) as { failures?: number };
      if (attempt <= failures) throw new Error("not yet");
      return traceparent ?? null;
    },
  }),
});
