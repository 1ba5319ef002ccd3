import { defineTasks, handler } from "mcplusplus";
import * as z from "zod";

export default defineTasks({
  count_primes: handler({
    description: "How many primes there are from `from` up to, not including, `to`.",
    input: z.object({ from: z.int().min(0), to: z.int().min(0) }),
    output: z.object({ primes: z.int() }),
    run({ from, to }, { checkpoint, progress }) {
      let primes = 0;
      for (let candidate = from; candidate < to; candidate += 1) {
        if (candidate % 1_000 === 0) {
          checkpoint(); // throws once the run is cancelled
          progress((candidate - from) / (to - from));
        }
        if (isPrime(candidate)) primes += 1;
      }
      return { primes };
    },
  }),

  add: handler({
    description: "The sum of numbers.",
    input: z.object({ numbers: z.array(z.number()) }),
    run: ({ numbers }) => ({ sum: numbers.reduce((sum, each) => sum + each, 0) }),
  }),
});

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor += 1)
    if (candidate % divisor === 0) return false;
  return candidate >= 2;
}
