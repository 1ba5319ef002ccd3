import { defineTasks, handler } from "../../../src/compute/index.ts";

/** Exported under two names, as modules with a default export often are. */
const tasks = defineTasks({
  double: handler({ description: "Doubles.", timeoutMs: 2_000, run: (input) => Number(input) * 2 }),
});
export const again: unknown = Object(tasks);
export default tasks;
