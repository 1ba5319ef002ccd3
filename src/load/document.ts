import { cpus, release, totalmem } from "node:os";
import type { CheckReport } from "./check.ts";
import type { LoadCounts, Operation } from "./recorder.ts";
import type { LoadOutcome, LoadPlan, Sweep } from "./run-load.ts";
import type { CurvePoint, Percentiles } from "./latencies.ts";
import type { Figure, TargetConditions } from "./target.ts";
import type { TimelineRow } from "./timeline.ts";

/** What `load.json` holds. The first part has the form of every benchmark of this project. */
export interface LoadDocument {
  readonly suite: "load";
  readonly node: string;
  readonly cpus: number;
  readonly machine: string;
  readonly durability: string;
  readonly results: readonly Figure[];
  /** Everything that was asked for, and what the target said of itself. */
  readonly conditions: TargetConditions & {
    readonly ratePerSecond: number;
    readonly durationS: number;
    readonly warmupS: number;
    readonly outstandingMax: number;
    readonly pace: string;
    readonly startedAt: string;
  };
  readonly interrupted: boolean;
  /** Milliseconds. */
  readonly percentiles: Readonly<Record<Operation, Percentiles>>;
  readonly curves: Readonly<Record<Operation, readonly CurvePoint[]>>;
  readonly histograms: Readonly<Record<Operation, string>> & {
    readonly unit: "us";
    readonly encoding: "HdrHistogram V2, compressed, base64";
  };
  readonly counts: LoadCounts;
  readonly warmup: LoadCounts;
  readonly timeline: readonly TimelineRow[];
  readonly sweep: Sweep | null;
  readonly check: CheckReport;
}

/** What only the caller knows. */
export interface DocumentNotes {
  readonly pace: string;
  readonly startedAt: Date;
}

export function documentOf(
  plan: LoadPlan,
  outcome: LoadOutcome,
  { pace, startedAt }: DocumentNotes,
): LoadDocument {
  const { figures, sweep, check, interrupted, conditions, ratePerSecond } = outcome;
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return {
    suite: "load",
    node: process.version,
    cpus: cpus().length,
    machine: `${cpu?.model.trim() ?? "unknown"} x ${cpus().length}, ${memory}, ${process.platform} ${release()} ${process.arch}`,
    durability: conditions.durability,
    results: resultsOf(outcome),
    conditions: {
      ...conditions,
      ratePerSecond,
      durationS: plan.durationMs / 1_000,
      warmupS: plan.warmupMs / 1_000,
      outstandingMax: plan.outstandingMax,
      pace,
      startedAt: startedAt.toISOString(),
    },
    interrupted,
    percentiles: figures.percentiles,
    curves: figures.curves,
    histograms: { unit: "us", encoding: "HdrHistogram V2, compressed, base64", ...figures.histograms },
    counts: figures.counts,
    warmup: figures.warmup,
    timeline: figures.timeline,
    sweep,
    check,
  };
}

/** The figures that benchmarks are compared by. One that was not measured is not there. */
function resultsOf({ figures, ratePerSecond, sweep, targetFigures, cost }: LoadOutcome): Figure[] {
  const { percentiles } = figures;
  const latency = (name: string, { p50, p99, p99_9, max }: Percentiles): Figure[] =>
    Object.entries({ p50, p99, "p99.9": p99_9, max }).flatMap(([which, value]) =>
      value === null ? [] : [{ name: `${name} ${which}`, value, unit: "ms" }],
    );
  const knee = sweep?.knee.ratePerSecond ?? null;
  return [
    ...(knee === null ? [] : [{ name: "knee", value: knee, unit: "requests/s" }]),
    { name: "offered", value: ratePerSecond, unit: "requests/s" },
    { name: "completed", value: figures.completedPerSecond, unit: "requests/s" },
    ...latency("planned to acknowledged", percentiles.acknowledged),
    ...latency("planned to completed", percentiles.completed),
    ...latency("sent to completed", percentiles.service),
    ...latency("generator lag", percentiles.generatorLag),
    { name: "generator thread busy", value: cost.hostThreadBusy * 100, unit: "%" },
    { name: "processors in use", value: cost.processors, unit: "cores" },
    { name: "processors in use by others", value: cost.othersProcessors, unit: "cores" },
    { name: "memory", value: cost.memoryMb, unit: "MB" },
    ...targetFigures,
  ];
}
