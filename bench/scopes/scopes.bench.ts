import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { LIMITS, openSystem, withScope, type System } from "mcplusplus";
import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured } from "../kit/suite.ts";
import { inTurns, type Figures } from "../kit/turns.ts";
import { BEGUN, LEFT } from "./hold.tasks.ts";

/**
 * The scope of an embedding caller over 10,000 queued tasks and 100 handlers that wait for their signal: from its abort
 * until nothing of it is left, with every `finally` run and every end on disk.
 */

const RUNNING = 100;
const QUEUED = 10_000;
const ALL = RUNNING + QUEUED;
const ACTION = "hold";
const TASKS = new URL("./hold.tasks.ts", import.meta.url);
const POLL_MS = 20;
/** What the submit has left to do, such as a checkpoint, is no part of the cancellation. */
const CALM_MS = 500;
const GOAL_MS = 150;

/** Starts all of them, and ends when nothing of them runs any more after the signal was aborted. */
type Way = (system: System, path: string, signal: AbortSignal) => Promise<void>;

/** As the steps of one run: its signal is all that the caller has to do with it. */
const asRun: Way = async (system, path, signal) => {
  const inputs = { path };
  const steps = Array.from({ length: ALL }, (_, at) => ({ stepId: `s${at}`, action: ACTION, inputs }));
  const { status } = await system.run({ workflowId: path, steps }, { signal });
  if (status.state !== "cancelled") throw new Error(`the run is ${status.state}`);
};

/** As tasks: the scope's cleanup cancels them, as many in one call as it takes, and waits for those that ran. */
const asTasks: Way = async (system, path, signal) => {
  const ids = Array.from({ length: ALL }, (_, at) => `${path}-${at}`);
  await withScope({ signal }, async (scope) => {
    await system.tasks.submitMany(ids.map((id) => ({ id, action: ACTION, input: { path } })));
    scope.defer(async () => {
      const { batchTasks } = LIMITS.queue;
      const batches = [ids.slice(0, batchTasks), ids.slice(batchTasks)];
      await Promise.all(batches.map((batch) => system.tasks.cancel(batch)));
      // In their order, the first ones are those that run.
      await Promise.all(ids.slice(0, RUNNING).map((id) => system.tasks.wait(id)));
    });
    await scope.sleep(Infinity);
  }).catch(() => {});
};

const WAYS = { cancel_run: asRun, cancel_tasks: asTasks };

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const data = await mkdtemp(join(tmpdir(), "mcplusplus-scopes-"));
  try {
    const quotas = [{ scope: "action" as const, name: ACTION, concurrency: RUNNING }];
    await using system = await openSystem({ data: join(data, "data"), tasks: [TASKS], threads: 2, quotas });
    await system.actions();
    let samples = 0;
    const sample = (name: string, way: Way) => () => cancelled(system, name, way, join(data, `${++samples}`));
    const taken = await inTurns(
      rounds,
      Object.entries(WAYS).map(([name, way]) => sample(name, way)),
    );
    return {
      durability: "flushed",
      results: Object.entries(taken).map(([name, values]) => result(name, unitOf(name), values)),
      ratios: Object.keys(WAYS).flatMap((way) => [
        { name: way, value: median(taken[way] ?? []), atMost: GOAL_MS },
        { name: `${way}_late_starts`, value: Math.max(...(taken[`${way}_late_starts`] ?? [])), atMost: 0 },
      ]),
      samples: taken,
    };
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

function unitOf(name: string): string {
  if (name.endsWith("_commits")) return "commits";
  return name.endsWith("_late_starts") ? "handlers" : "ms";
}

async function cancelled(system: System, name: string, way: Way, path: string): Promise<Figures> {
  const user = new AbortController();
  await writeFile(path, "");
  const ended = way(system, path, user.signal);
  await Promise.race([ended, untilHeld(system, path)]);
  await pause(CALM_MS);
  const { commits } = await system.queueStats();

  const startMs = performance.now();
  user.abort();
  await ended;
  const ms = performance.now() - startMs;

  const after = await system.queueStats();
  const told = await readFile(path, "utf8");
  const begun = told.split(BEGUN).length - 1;
  const left = told.split(LEFT).length - 1;
  if (left !== begun) throw new Error(`${begun} handlers have begun, and ${left} have left`);
  if (after.queued + after.running + after.cancelling > 0) throw new Error("something goes on");
  return {
    [name]: ms,
    [`${name}_late_starts`]: begun - RUNNING,
    [`${name}_commits`]: after.commits - commits,
  };
}

/** Every handler that may run waits for its signal, and all others are queued. */
async function untilHeld(system: System, path: string): Promise<void> {
  for (;;) {
    const { queued, running } = await system.queueStats();
    const told = await readFile(path, "utf8");
    if (queued === QUEUED && running === RUNNING && told === BEGUN.repeat(RUNNING)) return;
    await pause(POLL_MS);
  }
}
