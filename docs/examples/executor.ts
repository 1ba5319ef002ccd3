import { setTimeout as pause } from "node:timers/promises";
import { createExecutor, type Scope } from "mcplusplus";

/** Many questions, two at a time, each with a time limit, and an answer for each. */

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

const executor = createExecutor({ maxConcurrent: 2 });

async function price(metal: string, { signal }: Scope): Promise<number> {
  if (metal === "gold") throw new Error("the market is closed");
  await pause(metal === "iron" ? 60_000 : 10, undefined, { signal });
  return metal.length;
}

const results = await executor.runBatch(price, ["silver", "gold", "iron", "tin"], { timeoutMs: 500 });
for (const { name, ok, value, error } of results) print(ok ? `${name} = ${value}` : error.message);

const { total, successful, failed, timedOut } = executor.metrics() ?? {};
print(`${total} prices: ${successful} known, ${failed} not, ${timedOut} of them too late`);
