import { readFileSync } from "node:fs";
import { workerModule, type RefOf } from "../../src/actor/index.ts";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { fault, isFault, sentenceOf, toWireError } from "../../src/errors/index.ts";
import { Queue, type Lease, type TaskSpec, type TaskStatus } from "../../src/queue/queue.protocol.ts";
import { openSupervisor } from "../../src/supervisor/index.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import type { TaskLine } from "./queue-ledger.ts";

/**
 * One life of a queue, until it is killed: says what it finds of the tasks it is asked for, then submits, claims,
 * completes, fails, retries and cancels until it dies. What it says is written before anything else goes on.
 *
 * Arguments: the data directory, the number of this life (also its seed), a file with ids to ask for, and "work" or
 * "check".
 */
const [directory = "", life = "0", asked = "", mode = "work"] = process.argv.slice(2);
const random = seededRandom(Number(life));
const WORKER = "outside";
const LEASE_MS = 1_500;
const LANES = 6;

/** Written when it returns: Node writes to pipes synchronously, except on Windows. */
const say = (line: TaskLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const chance = (share: number): boolean => random.next() < share;
const upTo = (most: number): number => 1 + Math.floor(random.next() * most);

const supervisor = openSupervisor({ supervisor: "host" });
const queue = await supervisor
  .spawn(Queue, {
    module: workerModule("queue.actor").href,
    init: {
      directory,
      durability: "flushed",
      order: { by: "priority" },
      quotas: [],
      modules: [],
      threads: 1,
      sharedPerThread: 16,
      heapMb: 64,
      graceMs: 1_000,
      roots: [],
      allowedHosts: [],
      // What leaves by its age is not lost.
      keptTasks: Number.MAX_SAFE_INTEGER,
      keptMs: Number.MAX_SAFE_INTEGER,
    },
  })
  .catch((error: unknown) => {
    say({ say: "failed to open", code: isFault(error) ? error.code : "", message: sentenceOf(error) });
    throw error;
  });
say({ say: "open" });
for (const taskId of JSON.parse(readFileSync(asked, "utf8")) as string[]) await find(taskId);
if (mode === "work") await work(queue);
await supervisor.close();

async function find(taskId: string): Promise<void> {
  try {
    const { state } = await queue.call.status({ taskId });
    say({ say: "found", taskId, state, output: await outputOf(taskId, state) });
  } catch (error) {
    if (!isFault(error, "TASK_NOT_FOUND")) throw error;
    say({ say: "found", taskId, state: null, output: null });
  }
}

async function outputOf(taskId: string, state: TaskStatus["state"]): Promise<unknown> {
  if (state !== "completed") return null;
  const { output } = await queue.call.outcome({ taskId });
  return output && unpackValue(output);
}

async function work(ref: RefOf<typeof Queue>): Promise<void> {
  const worker = { workerId: WORKER, capabilities: ["outside"], maxConcurrent: 64 };
  await ref.call.registerWorker({ worker });
  let next = 0;
  const lanes = Array.from({ length: LANES }, async () => {
    for (;;) await submitSome(ref, () => `${life}-${next++}`);
  });
  // None of them ends: the process is killed.
  await Promise.all([...lanes, claimForEver(ref)]);
}

async function submitSome(ref: RefOf<typeof Queue>, nextId: () => string): Promise<void> {
  const tasks = Array.from({ length: upTo(8) }, () => specOf(nextId()));
  await ref.call.submit({ tasks }, { timeoutMs: 60_000 });
  const taskIds = tasks.map(({ taskId }) => taskId);
  say({ say: "accepted", taskIds });
  const [first = ""] = taskIds;
  if (chance(0.1)) await ref.call.cancel({ taskIds: [first], reason: "by chance", force: false });
  await Promise.all(taskIds.slice(0, 4).map((taskId) => follow(ref, taskId)));
}

function specOf(taskId: string): TaskSpec {
  const outside = chance(0.5);
  const fails = !outside && chance(0.3);
  return {
    taskId,
    action: outside ? "outside" : fails ? "fail" : "echo",
    input: packValue(fails ? { message: "as planned", times: upTo(3) } : { of: taskId }),
    attempts: upTo(3),
    priority: upTo(5),
  };
}

async function follow(ref: RefOf<typeof Queue>, taskId: string): Promise<void> {
  const { state, output } = await ref.call.wait({ taskId }, { timeoutMs: 60_000 });
  say({ say: "ended", taskId, state, output: output && unpackValue(output) });
  if (state !== "failed" || !chance(0.5)) return;
  const again = await ref.call.retry({ taskId });
  say({ say: "accepted", taskIds: [again.taskId] });
}

async function claimForEver(ref: RefOf<typeof Queue>): Promise<void> {
  for (;;) {
    const claim = { workerId: WORKER, max: upTo(32), leaseMs: LEASE_MS, waitMs: 1_000 };
    const { leases } = await ref.call.claim(claim, { timeoutMs: 60_000 });
    for (const { taskId } of leases) say({ say: "started", taskId });
    await Promise.all(leases.map((lease) => finish(ref, lease)));
  }
}

async function finish(ref: RefOf<typeof Queue>, { taskId, token, input }: Lease): Promise<void> {
  const error = toWireError(fault("HANDLER_FAILED", { action: "outside", text: "by chance" }));
  const end = chance(0.8)
    ? ({ kind: "completed", output: input } as const)
    : ({ kind: "failed", error } as const);
  try {
    const { state } = await ref.call.finish({ workerId: WORKER, taskId, token, end }, { timeoutMs: 60_000 });
    say({ say: "ended", taskId, state, output: end.kind === "completed" ? unpackValue(input) : null });
  } catch (refused) {
    // It was cancelled, or its lease of an earlier life ran out meanwhile.
    if (!isFault(refused, "LEASE_LOST")) throw refused;
  }
}
