import { setTimeout as pause } from "node:timers/promises";
import { openSystem, type System } from "mcplusplus";
import { answer } from "../kit/child.ts";
import { collectedMemory, settledMemory, type Memory } from "../kit/memory.ts";
import { inLanes } from "../kit/turns.ts";
import { ELSEWHERE, TASKS, task, waitingTask } from "../queue/task.ts";

/** A system whose memory is measured from inside; the process has nothing else to do. */
const [, , data = ""] = process.argv;
/** As much as one worker from outside may have at once. */
const PER_WORKER = 1_000;
const LEASE_MS = 600_000;
/** Few, so that the buffers of a large message are not taken for tasks. */
const PER_SUBMIT = 500;
const PER_CLAIM = 100;
const IN_FLIGHT = 256;
const POLL_MS = 2;
const TICK_MS = 5;
/** Handler threads that have nothing to do are gone by then. */
const IDLE_MS = 10_000;
/** A machine that is too slow for the load is to be seen in the load that was carried, not in a call that gave up. */
const PATIENT = { timeoutMs: 120_000 };

const system: System = await openSystem({ data, tasks: [TASKS], threads: 2 });
await system.actions();
const { call } = system.actors.queue;
let submitted = 0;

/** Settled: with nothing in the queue, with tasks waiting, with some of them running, and with all gone again. */
export interface Footprints {
  readonly before: Memory;
  readonly waiting: Memory;
  readonly running: Memory;
  readonly after: Memory;
}

interface Counts {
  readonly waiting: number;
  readonly running: number;
}

async function footprints(counts: Counts): Promise<Footprints> {
  // What is made once, on first use, belongs to no task.
  await footprint({ waiting: counts.waiting / 10, running: counts.running / 10 });
  await pause(IDLE_MS);
  return footprint(counts);
}

async function footprint(counts: Counts): Promise<Footprints> {
  const before = await settledMemory();
  for (let left = counts.waiting; left > 0; left -= PER_SUBMIT) {
    const length = Math.min(left, PER_SUBMIT);
    await call.submit(
      { tasks: Array.from({ length }, () => waitingTask(`task-${++submitted}`, submitted)) },
      PATIENT,
    );
  }
  const waiting = await settledMemory();
  const workers = await claimAll(counts.running);
  const running = await settledMemory();
  for (const workerId of workers)
    await call.unregisterWorker({ workerId, graceful: false, timeoutMs: 0 }, PATIENT);
  await call.clear({ states: ["queued"] }, PATIENT);
  await call.clear({ states: ["cancelled"] }, PATIENT);
  return { before, waiting, running, after: await settledMemory() };
}

/** Nothing of the leases is kept here: their memory is the queue's. Returns the workers that have them. */
async function claimAll(count: number): Promise<string[]> {
  const workers: string[] = [];
  for (let left = count; left > 0; left -= PER_WORKER) {
    const workerId = `outside-${left}`;
    workers.push(workerId);
    const maxConcurrent = Math.min(left, PER_WORKER);
    await call.registerWorker({ worker: { workerId, capabilities: ["noop", ELSEWHERE], maxConcurrent } });
    for (let claimed = 0; claimed < maxConcurrent;) {
      const { leases } = await call.claim(
        { workerId, max: PER_CLAIM, leaseMs: LEASE_MS, waitMs: 0 },
        PATIENT,
      );
      if (leases.length === 0)
        throw new Error(`after ${claimed} of ${maxConcurrent} there was nothing to claim`);
      claimed += leases.length;
    }
  }
  return workers;
}

async function requests(count: number): Promise<void> {
  await inLanes(count, IN_FLIGHT, () =>
    call.submit({ tasks: [task(`task-${++submitted}`, submitted)] }, PATIENT),
  );
  for (;;) {
    const { queued, running, cancelling } = await call.stats(undefined, PATIENT);
    if (queued + running + cancelling === 0) return;
    await pause(POLL_MS);
  }
}

/** Settled bytes after each so many requests, with what they left behind forgotten. */
async function growth(run: { rounds: number; requests: number }): Promise<Memory[]> {
  const found: Memory[] = [];
  for (let round = 0; round < run.rounds; round++) {
    await requests(run.requests);
    await call.clear({ states: ["completed"] }, PATIENT);
    found.push(await settledMemory());
  }
  return found;
}

export interface Observed {
  readonly atMs: number;
  readonly memory: Memory;
}
export interface Loaded {
  readonly offeredPerSecond: number;
  readonly submittedPerSecond: number;
  readonly observed: readonly Observed[];
}

/**
 * Keeps up a load, and observes either resident memory, and then nobody asks a thread anything or collects its garbage,
 * or what all heaps hold right after a collection.
 */
async function load(wanted: {
  perSecond: number;
  ms: number;
  everyMs: number;
  what: "resident" | "heap";
}): Promise<Loaded> {
  const look = async (): Promise<Memory> =>
    wanted.what === "heap"
      ? await collectedMemory()
      : { residentBytes: process.memoryUsage.rss(), heaps: new Map() };
  const observed: Observed[] = [];
  const sinceMs = performance.now();
  const elapsed = (): number => performance.now() - sinceMs;
  let begun = 0;
  let inFlight = 0;
  const submit = async (): Promise<void> => {
    inFlight++;
    await call.submit({ tasks: [task(`task-${++submitted}`, submitted)] }, PATIENT).finally(() => inFlight--);
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const pacing = (async (): Promise<void> => {
    while (elapsed() < wanted.ms) {
      const due = Math.floor((elapsed() / 1_000) * wanted.perSecond);
      const room = IN_FLIGHT - inFlight;
      for (let more = Math.min(due - begun, room); more > 0; more--) {
        begun++;
        submit().catch(failed.reject);
      }
      await pause(TICK_MS);
    }
  })();
  const observing = (async (): Promise<void> => {
    for (let next = 0; elapsed() < wanted.ms; next += wanted.everyMs) {
      await pause(Math.max(0, next - elapsed()));
      observed.push({ atMs: elapsed(), memory: await look() });
    }
  })();
  await Promise.race([Promise.all([pacing, observing]), failed.promise]);
  const submittedPerSecond = (begun / elapsed()) * 1_000;
  await requests(0);
  return { offeredPerSecond: wanted.perSecond, submittedPerSecond, observed };
}

/** Requests per second when as many are in flight as may be. */
async function maximum(count: number): Promise<number> {
  const sinceMs = performance.now();
  await requests(count);
  return (count / (performance.now() - sinceMs)) * 1_000;
}

answer({ footprints, growth, load, maximum, close: () => system.close() });
