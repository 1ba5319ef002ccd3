import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured, type Ratio, type RivalReport } from "../kit/suite.ts";
import { inTurns, type Figures, type Samples } from "../kit/turns.ts";
import { startBullMq } from "../rivals/bullmq.ts";
import { startPgBoss } from "../rivals/pgboss.ts";
import type { Rival } from "../rivals/rival.ts";
import { checkWaiting, measureBacklog } from "./backlog.ts";
import type { Contestant } from "./contestant.ts";
import { openOurs } from "./ours.ts";

/**
 * The queue beside BullMQ and pg-boss in one run, in turns: the same tasks, the same number in flight, and on every
 * side nothing is acknowledged before it is on disk. Then what a million waiting tasks cost.
 */

const TRIPS = 200;
const IN_FLIGHT = [256, 64] as const;
/** pg-boss is slower by so much that with as many tasks it alone would take most of the run. */
const FEWER = 5;

const RIVALS: Readonly<Record<string, () => Promise<Rival>>> = { bullmq: startBullMq, pgboss: startPgBoss };
/** Least that we are to be faster; only BullMQ is a goal. */
const GOALS: Readonly<Record<string, number>> = {
  submit_vs_bullmq: 3,
  cycle_vs_bullmq: 4,
  light_load_p50_vs_bullmq: 2,
};

/** @throws INVALID_ARGUMENT */
export default async function measure({ rounds, tasks, waiting }: Flags): Promise<Measured> {
  checkWaiting(rounds, waiting);
  const { rivals, reports } = await startRivals();
  const ours = await openOurs();
  let samples: Samples;
  try {
    const ways = Object.values(rivals).flatMap((rival) => Object.entries(rival.ways));
    const measurements = [
      ...allOf("", ours, tasks),
      ...ways.flatMap(([way, contestant]) =>
        allOf(`_${way}`, contestant, way === "pgboss" ? Math.floor(tasks / FEWER) : tasks),
      ),
    ];
    samples = await inTurns(rounds, interleaved(measurements));
  } finally {
    await ours.close();
    for (const rival of Object.values(rivals)) await rival.close();
  }
  const backlog = await measureBacklog(rounds, waiting);
  return {
    durability: "flushed",
    rivals: reports,
    results: [
      ...Object.entries(samples).map(([name, values]) => result(name, unitOf(name), values)),
      ...backlog.results,
    ],
    ratios: [...ratiosOf(samples, rivals), ...backlog.ratios],
    samples: { ...samples, ...backlog.samples },
  };
}

/** One that cannot start is reported as absent. */
async function startRivals(): Promise<{ rivals: Record<string, Rival>; reports: RivalReport[] }> {
  const rivals: Record<string, Rival> = {};
  const reports: RivalReport[] = [];
  for (const [name, start] of Object.entries(RIVALS)) {
    try {
      const rival = await start();
      rivals[name] = rival;
      reports.push({ name, is: rival.is });
    } catch (error) {
      reports.push({ name, absent: error instanceof Error ? error.message : String(error) });
    }
  }
  return { rivals, reports };
}

interface Measurement {
  readonly of: string;
  readonly take: () => Promise<Figures>;
}

function allOf(suffix: string, contestant: Contestant, tasks: number): Measurement[] {
  const throughput = (name: "submit" | "cycle", inFlight: number, count: number): Measurement => ({
    of: `${name}_${inFlight}`,
    async take() {
      const { ms, fsyncs } = await contestant[name](count, inFlight);
      const key = `${name}_${inFlight}${suffix}`;
      return {
        [key]: (count / ms) * 1_000,
        [`${key}_fsyncs`]: fsyncs,
        [`${key}_tasks_per_fsync`]: count / fsyncs,
      };
    },
  });
  return [
    ...IN_FLIGHT.flatMap((inFlight) => [
      throughput("submit", inFlight, tasks),
      throughput("cycle", inFlight, Math.floor(tasks / 2)),
    ]),
    {
      of: "light_load",
      take: async () => ({ [`light_load_p50${suffix}`]: median(await contestant.trips(TRIPS)) }),
    },
  ];
}

/** The same measurement of all contestants, one right after the other, before the next. */
function interleaved(measurements: readonly Measurement[]): (() => Promise<Figures>)[] {
  const kinds = new Set(measurements.map(({ of }) => of));
  return [...kinds].flatMap((kind) => measurements.filter(({ of }) => of === kind).map(({ take }) => take));
}

function unitOf(name: string): string {
  if (name.endsWith("_fsyncs")) return "fsyncs";
  if (name.endsWith("_tasks_per_fsync")) return "tasks";
  return name.startsWith("light_load") ? "us" : "per second";
}

/** Against the best way in which each rival was used. One that is absent has no figure, and meets no goal. */
function ratiosOf(samples: Samples, rivals: Readonly<Record<string, Rival>>): Ratio[] {
  const of = (name: string): number => median(samples[name] ?? []);
  return Object.keys(RIVALS).flatMap((rival) => {
    const ways = Object.keys(rivals[rival]?.ways ?? {});
    const theirs = (name: string): number[] => ways.map((way) => of(`${name}_${way}`));
    const faster = (name: string): number => of(name) / Math.max(...theirs(name));
    const ratio = (name: string, value: number): Ratio[] => {
      const atLeast = GOALS[name];
      if (atLeast !== undefined) return [{ name, value: ways.length === 0 ? Number.NaN : value, atLeast }];
      return ways.length === 0 ? [] : [{ name, value }];
    };
    return [
      ...ratio(`submit_vs_${rival}`, faster("submit_256")),
      ...ratio(`submit_64_vs_${rival}`, faster("submit_64")),
      ...ratio(`cycle_vs_${rival}`, faster("cycle_256")),
      ...ratio(`cycle_64_vs_${rival}`, faster("cycle_64")),
      ...ratio(`light_load_p50_vs_${rival}`, Math.min(...theirs("light_load_p50")) / of("light_load_p50")),
    ];
  });
}
