import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { simulateSeed, type SeedResult } from "../test/simulation/simulate-seed.ts";
import { addCounts, emptyCounts, missing, type Counts } from "../test/simulation/tally.ts";
import {
  emptyCounts as emptyWorkflowCounts,
  simulateWorkflowSeed,
} from "../test/simulation/workflows/simulate-workflow-seed.ts";
import { COMMANDS } from "../test/simulation/world.ts";

/**
 * Runs the simulation of the queue, or of workflows on it (test/simulation/), for many seeds, on all cores:
 *
 *     npm run -s simulate -- --seeds 10000 --json
 *     npm run -s simulate -- --of workflows --seeds 1000
 *     npm run -s simulate -- --seed 4711
 *
 * Standard output has the summary, standard error the progress. The exit code is 1 when a seed broke a law or some
 * kind of command, fault or change of state never occurred.
 */

/** Seeds that a thread does before it tells of them. */
const CHUNK = 10;
/** Most of what a seed makes is garbage at its end: a larger young heap than usual copies less of it on the way. */
const YOUNG_HEAP_MB = 128;
/** Failures that are shown in full; the rest are counted. */
const SHOWN = 20;
const PROGRESS_MS = 2_000;

interface Simulation {
  emptyCounts(): Counts;
  simulate(options: { readonly seed: number; readonly history?: boolean }): Promise<SeedResult>;
}

const SIMULATIONS = {
  queue: { emptyCounts: () => emptyCounts(Object.keys(COMMANDS)), simulate: simulateSeed },
  workflows: { emptyCounts: emptyWorkflowCounts, simulate: simulateWorkflowSeed },
} as const satisfies Record<string, Simulation>;
type Subject = keyof typeof SIMULATIONS;

interface Failure {
  readonly seed: number;
  readonly law: string;
}

interface Chunk {
  readonly counts: Counts;
  readonly hashes: readonly (readonly [seed: number, hash: string])[];
  readonly failures: readonly Failure[];
}

interface Range {
  readonly of: Subject;
  readonly from: number;
  readonly below: number;
}

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";
const again = (of: Subject, seed: number): string =>
  `npm run -s simulate --${of === "queue" ? "" : ` --of ${of}`} --seed ${seed}`;

async function runChunk({ of, from, below }: Range): Promise<Chunk> {
  const counts = SIMULATIONS[of].emptyCounts();
  const hashes: [number, string][] = [];
  const failures: Failure[] = [];
  for (let seed = from; seed < below; seed++) {
    const result = await SIMULATIONS[of].simulate({ seed });
    addCounts(counts, result.counts);
    hashes.push([seed, result.traceHash]);
    const [law] = result.violations;
    if (law !== undefined) failures.push({ seed, law: firstLine(law) });
  }
  return { counts, hashes, failures };
}

/** One thread of several: asks for seeds by telling what became of the last ones. */
async function work(): Promise<void> {
  // Refusals are faults with stacks that nobody reads here; a seed that is run alone has them.
  Error.stackTraceLimit = 0;
  parentPort?.on("message", (range: Range | null) => {
    if (range === null) parentPort?.close();
    else void runChunk(range).then((chunk) => parentPort?.postMessage(chunk));
  });
  parentPort?.postMessage(await runChunk(workerData as Range));
}

async function runAll(seeds: Range, workers: number): Promise<Chunk> {
  const { of } = seeds;
  const counts = SIMULATIONS[of].emptyCounts();
  const hashes: (readonly [number, string])[] = [];
  const failures: Failure[] = [];
  let next = seeds.from;
  const take = (): Range | null => {
    if (next >= seeds.below) return null;
    const from = next;
    next = Math.min(seeds.below, from + CHUNK);
    return { of, from, below: next };
  };
  let toldMs = performance.now();
  const startMs = toldMs;
  const tell = (): void => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    const perMinute = Math.round((hashes.length / (toldMs - startMs)) * 60_000);
    const all = seeds.below - seeds.from;
    process.stderr.write(
      `${hashes.length} of ${all} seeds, ${perMinute} a minute, ${failures.length} failures\n`,
    );
  };
  const run = (range: Range): Promise<void> =>
    new Promise((resolve, reject) => {
      const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_HEAP_MB };
      const worker = new Worker(new URL(import.meta.url), { workerData: range, resourceLimits });
      worker.on("message", (chunk: Chunk) => {
        addCounts(counts, chunk.counts);
        hashes.push(...chunk.hashes);
        for (const failure of chunk.failures) {
          failures.push(failure);
          if (failures.length <= SHOWN)
            process.stderr.write(`${failure.law}\n  ${again(of, failure.seed)}\n`);
        }
        tell();
        worker.postMessage(take());
      });
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
  const first = Array.from({ length: workers }, take).filter((range) => range !== null);
  await Promise.all(first.map(run));
  return {
    counts,
    hashes: hashes.toSorted(([a], [b]) => a - b),
    failures: failures.toSorted((a, b) => a.seed - b.seed),
  };
}

/** One seed, with all that is known of it. */
async function showSeed(of: Subject, seed: number, json: boolean): Promise<void> {
  const result = await SIMULATIONS[of].simulate({ seed, history: true });
  const { violations, lines, counts, traceHash } = result;
  if (json) process.stdout.write(`${JSON.stringify({ seed, violations, counts, traceHash })}\n`);
  else {
    const verdict = violations.length === 0 ? "every law held" : violations.join("\n");
    process.stdout.write(`${lines.join("\n")}\n\nseed ${seed}: ${verdict}\ntrace ${traceHash}\n`);
  }
  if (violations.length > 0) process.exitCode = 1;
}

function subjectOf(given: string): Subject {
  const names = Object.keys(SIMULATIONS) as Subject[];
  const subject = names.find((name) => name === given);
  if (subject === undefined) throw new RangeError(`--of is one of ${names.join(", ")}, not ${given}`);
  return subject;
}

function wholeNumber(name: string, given: string): number {
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** 31)
    throw new RangeError(`--${name} is a whole number, not ${given}`);
  return value;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      of: { type: "string", default: "queue" },
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      workers: { type: "string", default: String(availableParallelism()) },
      json: { type: "boolean", default: false },
    },
  });
  const of = subjectOf(values.of);
  if (values.seed !== undefined) return showSeed(of, wholeNumber("seed", values.seed), values.json);
  const from = wholeNumber("from", values.from);
  const seeds = wholeNumber("seeds", values.seeds);
  const startMs = performance.now();
  const { counts, hashes, failures } = await runAll(
    { of, from, below: from + seeds },
    wholeNumber("workers", values.workers),
  );
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const cpu = process.cpuUsage();
  const cpuMsPerSeed = Math.round((cpu.user + cpu.system) / 100 / Math.max(1, seeds)) / 10;
  const never = missing(counts);
  const traceHash = createHash("sha256").update(JSON.stringify(hashes)).digest("hex");
  const summary = {
    seeds,
    ...counts,
    failures: failures.length,
    failed: failures.slice(0, SHOWN).map(({ seed, law }) => ({ seed, law, repeat: again(of, seed) })),
    never,
    seconds,
    cpuMsPerSeed,
    seedsPerMinute: Math.round((seeds / seconds) * 60),
    traceHash,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else printSummary(summary);
  if (failures.length > 0 || never.length > 0) process.exitCode = 1;
}

function printSummary(
  summary: Counts & { seeds: number; failures: number; never: string[]; seconds: number; traceHash: string },
): void {
  const { commands, faults, statePairs, seeds, failures, never, seconds, traceHash } = summary;
  const table = (title: string, figures: Record<string, number>): string =>
    `${title}\n${Object.entries(figures)
      .map(([name, count]) => `  ${name.padEnd(24)}${String(count).padStart(10)}`)
      .join("\n")}\n`;
  process.stdout.write(
    table("commands", commands) + table("faults", faults) + table("changes of state", statePairs),
  );
  if (never.length > 0) process.stdout.write(`never occurred: ${never.join(", ")}\n`);
  process.stdout.write(`${seeds} seeds, ${failures} failures, ${seconds} s, trace ${traceHash}\n`);
}

await (isMainThread ? main() : work());
