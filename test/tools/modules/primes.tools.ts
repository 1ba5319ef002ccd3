import { threadId } from "node:worker_threads";
import { defineTool } from "mcplusplus/tools";
import * as z from "zod";

/** Computes on its own thread, and asks the system from there. */
export const primes = defineTool({
  name: "primes",
  description: "Counts primes, and the tasks that are queued.",
  input: z.object({
    below: z.int().min(0),
    mode: z.enum(["count", "list", "fail", "spin", "fault", "trace"]).default("count"),
  }),
  metadata: { cpuIntensive: true },
  hints: { readOnlyHint: true },
  async run({ below, mode }, { system, traceparent }) {
    if (mode === "trace") return { traceparent: traceparent ?? null };
    if (mode === "fail") throw new Error("no more numbers");
    if (mode === "fault") await system.tasks.status("nobody");
    if (mode === "spin") {
      await system.cache.put("begun", true, { ttlMs: 60_000 });
      for (;;);
    }
    const list: number[] = [];
    for (let number = 2; number < below; number++) {
      let divisor = 2;
      while (divisor * divisor <= number && number % divisor !== 0) divisor += 1;
      if (divisor * divisor > number) list.push(number);
    }
    if (mode === "list") return { list };
    const { queued } = await system.tasks.stats();
    return { count: list.length, queued, thread: threadId, role: system.role };
  },
});
