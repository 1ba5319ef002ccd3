import { defineTasks, handler } from "mcplusplus";

/** Rounds that a processor of today makes in a millisecond, roughly. */
const ROUNDS_PER_MS = 100_000;

export default defineTasks({
  nothing: handler({
    description: "Does nothing. Not a built-in action, which every node has.",
    isolation: "shared",
    run: () => null,
  }),
  toil: handler({
    description:
      "Keeps a processor busy: for rounds, and not for a time, so that two on one core take twice as long.",
    run({ ms }: { ms: number }) {
      let x = 1;
      for (let round = 0; round < ms * ROUNDS_PER_MS; round++) x = (x * 48_271) % 2_147_483_647;
      return x;
    },
  }),
});
