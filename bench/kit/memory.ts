import { setTimeout as pause } from "node:timers/promises";

/** What the probes of all threads listen on; `thread-probe.mjs` has it too. */
const PROBES = "mcplusplus-bench-probes";

interface ProbeQuestion {
  readonly round: number;
  /** What to do first; `rest` is what V8 itself does on a thread that has rested for some two minutes. */
  readonly collect: "nothing" | "garbage" | "rest";
}
interface ProbeAnswer {
  readonly to: number;
  readonly threadId: number;
  /** Its heap in use, and what hangs on it outside. */
  readonly bytes: number;
}

interface ProbeStart {
  readonly joined: number;
}
/** What a channel hands over; the types of Node do not know what was said. */
type Told = Event & { readonly data: Partial<ProbeAnswer & ProbeStart> };

export interface Memory {
  /** Of the whole process, as the kernel counts it. */
  readonly residentBytes: number;
  /** Of each thread, by its id: heap in use, and what hangs on it outside. */
  readonly heaps: ReadonlyMap<number, number>;
}

/** Flags of a process whose memory is to be measured. */
export const MEASURED_FLAGS = [
  "--expose-gc",
  `--import=${new URL("./thread-probe.mjs", import.meta.url).href}`,
] as const;

/** A thread that has not answered by then is taken for gone: a full collection takes seconds on a busy machine. */
const ANSWER_MS = 30_000;
/** The second collection takes what the finalizers of the first let go. */
const COLLECTIONS = 3;
const SETTLE_MS = 300;

let rounds = 0;
/** This one, and all that have started since: a probe says so. */
const threads = new Set([0]);
const arrivals = new BroadcastChannel(PROBES);
arrivals.addEventListener("message", (event) => {
  const { joined } = (event as Told).data;
  if (joined !== undefined) threads.add(joined);
});
arrivals.unref();

/**
 * The heap of the process at each of these times: of the threads that were there at all of them, since a handler thread
 * that comes or goes is no growth.
 */
export function lastingHeaps(times: readonly Memory[]): number[] {
  const lasting = (thread: number): boolean => times.every(({ heaps }) => heaps.has(thread));
  return times.map(({ heaps }) =>
    [...heaps].reduce((sum, [thread, bytes]) => sum + (lasting(thread) ? bytes : 0), 0),
  );
}

/** Right after a collection on every thread. */
export function collectedMemory(): Promise<Memory> {
  return probe("garbage");
}

/** After pauses and collections on every thread. */
export async function settledMemory(): Promise<Memory> {
  let settled = await probe("garbage");
  for (let collection = 1; collection < COLLECTIONS; collection++) {
    await pause(SETTLE_MS);
    settled = await probe("garbage");
  }
  return settled;
}

/**
 * As after a rest: V8 then collects all that it can, and gives back to the system what it keeps for the next garbage of
 * a busy thread. It does so by itself a hundred seconds after a thread became quiet, which nobody has to wait for here.
 */
export async function restedMemory(): Promise<Memory> {
  await probe("rest");
  await pause(SETTLE_MS);
  return probe("nothing");
}

async function probe(collect: ProbeQuestion["collect"]): Promise<Memory> {
  const round = ++rounds;
  const channel = new BroadcastChannel(PROBES);
  const byThread = new Map<number, number>();
  const all = Promise.withResolvers<void>();
  channel.addEventListener("message", (event) => {
    const { to, threadId, bytes } = (event as Told).data;
    if (to !== round || threadId === undefined || bytes === undefined) return;
    byThread.set(threadId, bytes);
    if ([...threads].every((thread) => byThread.has(thread))) all.resolve();
  });
  channel.postMessage({ round, collect } satisfies ProbeQuestion);
  const late = new AbortController();
  await Promise.race([all.promise, pause(ANSWER_MS, undefined, { signal: late.signal })]);
  late.abort();
  channel.close();
  for (const thread of threads) if (!byThread.has(thread)) threads.delete(thread);
  return { residentBytes: process.memoryUsage.rss(), heaps: byThread };
}
