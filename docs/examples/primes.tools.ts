import { defineTool } from "mcplusplus/tools";
import * as z from "zod";

/** The counting is a task, on a thread of its own: the server stays free to answer others. */
export const primes_between = defineTool({
  name: "primes_between",
  title: "Count primes",
  description: "How many primes there are from `from` up to, not including, `to`.",
  input: z.object({
    from: z.int().min(0),
    to: z.int().max(10_000_000),
    timeout: z.int().min(1).max(60).default(20).describe("Seconds that it may take"),
  }),
  output: z.object({ primes: z.int() }),
  hints: { destructiveHint: false, openWorldHint: false },
  metadata: { category: "numbers", timeoutMs: 5_000 },
  waitsMs: ({ timeout }) => timeout * 1_000,
  run: ({ from, to, timeout }, { system, signal }) =>
    system.tasks.run<{ primes: number }>(
      { action: "count_primes", input: { from, to }, timeoutMs: timeout * 1_000 },
      { signal },
    ),
});
