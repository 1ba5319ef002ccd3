import { defineTasks, handler } from "../../../src/compute/index.ts";

/** Handlers that say of which trace they are part. */
const say = (
  _: unknown,
  { traceparent, log }: { traceparent?: string | undefined; log(text: string): void },
) => {
  log("traced");
  return traceparent ?? null;
};

export default defineTasks({
  tracedAlone: handler({ isolation: "thread", run: say }),
  tracedShared: handler({ isolation: "shared", run: say }),
});
