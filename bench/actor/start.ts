import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { result, type Measured } from "../kit/suite.ts";

const RUNS = 7;
const run = promisify(execFile);

interface Start {
  readonly readyMs: number;
  readonly residentMb: number;
  readonly idleCpuPercent: number;
}

/** How the built package starts: a fresh process each time, a fresh data directory, the pool not yet needed. */
export async function measureStart(): Promise<Measured> {
  const starts: Start[] = [];
  for (let index = 0; index <= RUNS; index++) {
    const directory = await mkdtemp(join(tmpdir(), "mcplusplus-bench-"));
    try {
      const { stdout } = await run(process.execPath, [
        new URL("./started.mjs", import.meta.url).pathname,
        directory,
      ]);
      if (index > 0) starts.push(JSON.parse(stdout) as Start);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  const samples = {
    actors_ready: starts.map(({ readyMs }) => readyMs),
    idle_resident: starts.map(({ residentMb }) => residentMb),
    idle_cpu: starts.map(({ idleCpuPercent }) => idleCpuPercent),
  };
  const results = [
    result("actors_ready", "ms", samples.actors_ready),
    result("idle_resident", "MB", samples.idle_resident),
    result("idle_cpu", "percent of a core", samples.idle_cpu),
  ];
  const [ready, resident, cpu] = results;
  return {
    durability: "flushed",
    results,
    ratios: [
      { name: "actors_ready_ms", value: ready?.value ?? Number.NaN, atMost: 500 },
      { name: "idle_resident_mb", value: resident?.value ?? Number.NaN, atMost: 200 },
      { name: "idle_cpu_percent", value: cpu?.value ?? Number.NaN, atMost: 1 },
    ],
    samples,
  };
}
