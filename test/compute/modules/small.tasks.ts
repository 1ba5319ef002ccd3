import { defineTasks, handler } from "../../../src/compute/index.ts";

/** Exported twice under two names, as modules with a default export often are. */
export const tasks = defineTasks({
  double: handler({ description: "Doubles.", timeoutMs: 2_000, run: (input) => Number(input) * 2 }),
});
export default tasks;
