import { getHeapStatistics } from "node:v8";
import { threadId } from "node:worker_threads";

/**
 * Loaded into every thread of a measured process (`--import`), because nobody else can collect a thread's garbage or
 * knows its heap; see `memory.ts` for what is said. It keeps no thread alive, and it is no TypeScript, so that no
 * thread loads a compiler for its sake.
 */
const channel = new BroadcastChannel("mcplusplus-bench-probes");
channel.addEventListener("message", ({ data: { round, collect } }) => {
  if (round === undefined) return; // another thread's answer
  if (collect === "garbage") globalThis.gc();
  if (collect === "rest") globalThis.gc({ type: "major", execution: "sync", flavor: "last-resort" });
  const { used_heap_size, external_memory } = getHeapStatistics();
  channel.postMessage({ to: round, threadId, bytes: used_heap_size + external_memory });
});
channel.unref();
channel.postMessage({ joined: threadId });
