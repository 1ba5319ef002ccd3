import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { defineTasks, handler, type TaskContext } from "mcplusplus";
import type { Labour } from "./planned-run.ts";

/** Says that it has been called, works a while, and fails as often as it is to. */
const labour = {
  description: "Works for the crash test.",
  isolation: "shared" as const,
  async run(input: unknown, { taskId, attempt, signal }: TaskContext): Promise<unknown> {
    const { journal, name, item, fails, ms } = input as Labour;
    // One small write to the end of a file: it is there as a whole or not at all.
    appendFileSync(journal, `${JSON.stringify({ pid: process.pid, taskId, attempt })}\n`);
    await pause(ms, undefined, { signal });
    if (attempt <= (fails[Number(item)] ?? 0)) throw new Error(`${name} fails as planned`);
    return { name, item };
  },
};

export default defineTasks({ labour: handler(labour) });
