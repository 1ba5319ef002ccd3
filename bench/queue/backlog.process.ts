import { openSystem, packValue, type System } from "mcplusplus";
import { answer } from "../kit/child.ts";
import { restedMemory, settledMemory } from "../kit/memory.ts";
import { ELSEWHERE, TASKS, waitingTask } from "./task.ts";

/** A queue in a process of its own, with a worker from outside that claims from it. */
const [, , data = ""] = process.argv;
const WORKER = "outside";
const LEASE_MS = 600_000;
const PER_SUBMIT = 1_000;
const PATIENT = { timeoutMs: 120_000 };

let system: System | undefined;
let submitted = 0;

const queue = (): System["actors"]["queue"] => {
  if (!system) throw new Error("the system is not open");
  return system.actors.queue;
};

export interface Claims {
  readonly count: number;
  /** Tasks for each claim to take. */
  readonly max: number;
}

async function open(): Promise<void> {
  system = await openSystem({ data, tasks: [TASKS], threads: 1 });
  await queue().call.registerWorker({
    worker: { workerId: WORKER, capabilities: ["noop", ELSEWHERE], maxConcurrent: 1_000 },
  });
}

const claim = async (max: number): ReturnType<ReturnType<typeof queue>["call"]["claim"]> =>
  queue().call.claim({ workerId: WORKER, max, leaseMs: LEASE_MS, waitMs: 0 });

/** Microseconds of each claim; what was claimed is completed afterwards. */
async function claims({ count, max }: Claims): Promise<number[]> {
  const times: number[] = [];
  const output = packValue(null);
  for (let index = 0; index < count; index++) {
    const sinceMs = performance.now();
    const { leases } = await claim(max);
    times.push((performance.now() - sinceMs) * 1_000);
    if (leases.length !== max) throw new Error(`a claim of ${max} gave ${leases.length}`);
    await Promise.all(
      leases.map(({ taskId, token }) =>
        queue().call.finish({ workerId: WORKER, taskId, token, end: { kind: "completed", output } }),
      ),
    );
  }
  return times;
}

answer({
  open,
  async fill(count: number) {
    // Many in one call, as whoever has a million of them would; the payload is the same as everywhere.
    for (let left = count; left > 0; left -= PER_SUBMIT) {
      const length = Math.min(left, PER_SUBMIT);
      const tasks = Array.from({ length }, () => waitingTask(`task-${++submitted}`, submitted));
      await queue().call.submit({ tasks }, PATIENT);
    }
  },
  claims,
  queued: async () => (await queue().call.stats(undefined, PATIENT)).queued,
  residentBytes: () => process.memoryUsage.rss(),
  settledMemory,
  restedMemory,
  /** Milliseconds from the call that opens the system to a task in the hands of its worker. */
  async openToFirstClaim() {
    const sinceMs = performance.now();
    await open();
    const { leases } = await claim(1);
    const tookMs = performance.now() - sinceMs;
    const [lease] = leases;
    if (!lease) throw new Error("there was nothing to claim");
    const { taskId, token } = lease;
    await queue().call.finish({ workerId: WORKER, taskId, token, end: { kind: "returned" } });
    return tookMs;
  },
  close: () => system?.close(),
});
