import { openSystem } from "mcplusplus";

/** Results kept under keys: computed once, tagged, invalidated, shown while they are computed anew. */

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

await using system = await openSystem({ data: null, cache: { entriesMax: 1_000, policy: "lfu" } });
const { cache } = system;

let computed = 0;
async function load(user: number, { signal }: { signal: AbortSignal }): Promise<{ name: string }> {
  signal.throwIfAborted(); // it aborts when nobody waits any more
  computed += 1;
  return { name: `user ${user}` };
}

// Ten callers miss at once: one computes, all have the result.
const options = { ttlMs: 60_000, tags: ["users"], staleMs: 10_000, negativeTtlMs: 1_000 };
const asked = Array.from({ length: 10 }, () =>
  cache.getOrCompute("user:7", (context) => load(7, context), options),
);
const users = await Promise.all(asked);
print(`${users.length} callers, ${computed} computation: ${users[0]?.name}`);

// A stored null is a value; undefined means that there is none.
await cache.put("user:8", null, { ttlMs: 60_000, tags: ["users"] });
print(`user:8 is ${JSON.stringify((await cache.get("user:8"))?.value)}`);
print(`user:9 is ${JSON.stringify(await cache.get("user:9"))}`);

// When it resolves, no later read of any thread finds them.
print(`${await cache.invalidate({ pattern: "user:*" })} invalidated`);
print(`user:7 is ${JSON.stringify(await cache.get("user:7"))}`);

const { hits, misses, hitRate } = await cache.stats();
print(`${hits} hits, ${misses} misses, hit rate ${hitRate.toFixed(2)}`);
