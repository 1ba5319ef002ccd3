import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isFault, openSystem, type System } from "mcplusplus";
import { sentenceOf } from "../../src/errors/index.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { planRun } from "./planned-run.ts";
import { seenRun, type RunLine, type SeenRun } from "./run-ledger.ts";

/**
 * One life of a system that runs workflows, until it is killed: says what it finds of the runs that it is asked for, then
 * submits and watches runs until it dies. To check is to wait until all have ended, too.
 *
 * Arguments: the data directory, the number of this life (also its seed), a file with ids to ask for, and "work" or
 * "check".
 */
const [directory = "", life = "0", asked = "", mode = "work"] = process.argv.slice(2);
const random = seededRandom(Number(life));
const LANES = 6;
const THREADS = 2;
/** A life may die while it has paused a run: the next one resumes it. */
const PAUSED_SHARE = 0.15;
const PAUSE_MS_MAX = 100;
const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

const say = (line: RunLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const system = await openSystem({
  data: directory,
  tasks: [new URL("./labour.tasks.ts", import.meta.url)],
  threads: THREADS,
}).catch((error: unknown) => {
  say({ say: "failed to open", code: isFault(error) ? error.code : "", message: sentenceOf(error) });
  throw error;
});
say({ say: "open" });
const ids = JSON.parse(readFileSync(asked, "utf8")) as string[];
const found = await Promise.all(ids.map(find));
if (mode === "work") await work(system, found);
else await finish(system, found);
await system.close();

async function find(runId: string): Promise<SeenRun | null> {
  try {
    const run = seenRun(await system.status(runId));
    say({ say: "found", runId, run });
    return run;
  } catch (error) {
    if (!isFault(error, "WORKFLOW_NOT_FOUND")) throw error;
    say({ say: "found", runId, run: null });
    return null;
  }
}

/** What it had not ended when it died goes on, without anybody's help but the resuming of what it had paused itself. */
async function finish(system: System, runs: readonly (SeenRun | null)[]): Promise<void> {
  const open = runs.filter((run) => run !== null).filter(({ state }) => !ENDS.has(state));
  await Promise.all(
    open.map(async ({ runId, state }) => {
      if (state === "paused") await system.resume(runId);
      await follow(system, runId);
    }),
  );
}

async function work(system: System, runs: readonly (SeenRun | null)[]): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: LANES }, async () => {
    for (;;) await submitOne(system, `${life}-${next++}`);
  });
  // None of them ends: the process is killed.
  await Promise.all([...lanes, finish(system, runs)]);
}

async function submitOne(system: System, runId: string): Promise<void> {
  await system.submit(planRun(runId, join(directory, "journal")).workflow);
  say({ say: "accepted", runId });
  if (random.next() < PAUSED_SHARE) await pauseAWhile(system, runId);
  await follow(system, runId);
}

async function pauseAWhile(system: System, runId: string): Promise<void> {
  try {
    await system.pause(runId);
    await pause(random.next() * PAUSE_MS_MAX);
    await system.resume(runId);
  } catch (error) {
    if (!isFault(error, "WORKFLOW_ENDED")) throw error;
  }
}

/** Tells how it stands after each step. */
async function follow(system: System, runId: string): Promise<void> {
  for await (const { step } of system.watch(runId)) {
    if (step !== null) say({ say: "seen", run: seenRun(await system.status(runId)) });
  }
  say({ say: "seen", run: seenRun(await system.status(runId)) });
}
