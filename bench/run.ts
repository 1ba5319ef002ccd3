import { mkdir, writeFile } from "node:fs/promises";
import { isFault } from "mcplusplus";
import { readFlags, type Flags } from "./kit/flags.ts";
import { watchStolenTime } from "./kit/stolen-time.ts";
import { meets, report, table, type Measured } from "./kit/suite.ts";

/** `npm run bench -- <suite> [--json] [--rounds N] …`: measures, prints, and keeps the raw samples in `bench/results/`. */
const SUITES = {
  actor: [],
  cache: ["rounds"],
  dag: ["rounds"],
  mcp: ["rounds"],
  memory: ["rounds", "minutes"],
  micro: [],
  peers: ["rounds"],
  queue: ["rounds", "tasks", "waiting"],
  routing: ["rounds"],
  "runtime-comparison": ["rounds"],
  scopes: ["rounds"],
  "tool-latency": ["rounds"],
  workflow: ["rounds"],
} as const;

const MEASURES: Readonly<
  Record<keyof typeof SUITES, () => Promise<{ default: (flags: Flags) => Promise<Measured> }>>
> = {
  actor: () => import("./actor/actor.bench.ts"),
  cache: () => import("./cache/cache.bench.ts"),
  dag: () => import("./dag/dag.bench.ts"),
  mcp: () => import("./mcp/mcp.bench.ts"),
  memory: () => import("./memory/memory.bench.ts"),
  micro: () => import("./micro/micro.bench.ts"),
  peers: () => import("./peers/peers.bench.ts"),
  queue: () => import("./queue/queue.bench.ts"),
  routing: () => import("./routing/routing.bench.ts"),
  "runtime-comparison": () => import("./mcp/runtime-comparison.bench.ts"),
  scopes: () => import("./scopes/scopes.bench.ts"),
  "tool-latency": () => import("./mcp/tool-latency.bench.ts"),
  workflow: () => import("./workflow/workflow.bench.ts"),
};

// What the suite has started ends with it: an interrupted process would otherwise leave without a word.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  process.exitCode = await run();
} catch (error) {
  if (!isFault(error, "INVALID_ARGUMENT") && !isFault(error, "UNKNOWN_NAME")) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}

/** @returns the exit code: 0 = every goal was met */
async function run(): Promise<number> {
  const { suite: name, flags } = readFlags(process.argv.slice(2), SUITES);
  const { default: measure } = await MEASURES[name]();
  const stolenShare = watchStolenTime();
  const measured = await measure(flags);
  const printed = report(name, measured, stolenShare());
  const directory = new URL("./results/", import.meta.url);
  await mkdir(directory, { recursive: true });
  await writeFile(new URL(`${name}.json`, directory), JSON.stringify({ ...printed, raw: measured.samples }));
  process.stdout.write(`${flags.json ? JSON.stringify(printed) : table(printed)}\n`);
  return printed.ratios.every(meets) ? 0 : 1;
}
