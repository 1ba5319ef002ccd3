import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured, type Ratio, type RivalReport } from "../kit/suite.ts";
import { inTurns, type Figures, type Samples } from "../kit/turns.ts";
import { startDbos, type WorkflowRival } from "../rivals/dbos.ts";
import type { WorkflowContestant } from "./contestant.ts";
import { openOurs, type OurWorkflows } from "./ours.ts";

/**
 * Workflows of three steps at several degrees of concurrency, beside DBOS in one run and in turns; what the engine adds
 * to each step of a large workflow; and how near to the ideal a wide one comes.
 */

const AT_ONCE = [10, 50, 100, 200, 500] as const;
/** Each lane runs so many in a row, so that the first and the last of them weigh little. */
const PER_LANE = 10;
const LEAST = 500;
/** DBOS is slower by so much that with as many workflows it alone would take most of the run. */
const FEWER = 10;

const LAYERED_STEPS = 10_000;
const WIDE = { steps: 160, atOnce: 16, sleepMs: 250 };

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const { rival, report } = await startRival();
  const ours = await openOurs();
  let samples: Samples;
  try {
    samples = await inTurns(rounds, [
      ...AT_ONCE.flatMap((atOnce) => {
        const count = Math.max(LEAST, atOnce * PER_LANE);
        const fewer = Math.max(atOnce, Math.floor(count / FEWER));
        return [
          () => workflows("", ours, count, atOnce),
          ...(rival ? [() => workflows("_dbos", rival.contestant, fewer, atOnce)] : []),
        ];
      }),
      () => large(ours),
    ]);
  } finally {
    await ours.close();
    await rival?.close();
  }
  return {
    durability: "flushed",
    rivals: [report],
    results: Object.entries(samples).map(([name, values]) => result(name, unitOf(name), values)),
    ratios: ratiosOf(samples, rival !== null),
    samples,
  };
}

/** One that cannot start is reported as absent. */
async function startRival(): Promise<{ rival: WorkflowRival | null; report: RivalReport }> {
  try {
    const rival = await startDbos();
    return { rival, report: { name: "dbos", is: rival.is } };
  } catch (error) {
    return { rival: null, report: { name: "dbos", absent: String(error) } };
  }
}

async function workflows(
  suffix: string,
  contestant: WorkflowContestant,
  count: number,
  atOnce: number,
): Promise<Figures> {
  const { ms, completed } = await contestant.run(count, atOnce);
  return {
    [`workflows_${atOnce}${suffix}`]: (count / ms) * 1_000,
    [`workflows_${atOnce}_completed${suffix}`]: (completed / count) * 100,
  };
}

async function large(ours: OurWorkflows): Promise<Figures> {
  const { steps, atOnce, sleepMs } = WIDE;
  const idealMs = (steps / atOnce) * sleepMs;
  return {
    overhead_per_step: ((await ours.layered(LAYERED_STEPS)) / LAYERED_STEPS) * 1_000,
    wide_of_ideal: (idealMs / (await ours.wide(steps, atOnce, sleepMs))) * 100,
  };
}

function unitOf(name: string): string {
  if (name.includes("_completed") || name === "wide_of_ideal") return "%";
  return name === "overhead_per_step" ? "us" : "per second";
}

function ratiosOf(samples: Samples, hasRival: boolean): Ratio[] {
  const of = (name: string): number => median(samples[name] ?? []);
  const leastCompleted = Math.min(
    ...AT_ONCE.flatMap((atOnce) => samples[`workflows_${atOnce}_completed`] ?? []),
  );
  return [
    { name: "workflows_per_second", value: of("workflows_200"), atLeast: 5_000 },
    { name: "workflows_completed_percent", value: leastCompleted, atLeast: 100 },
    { name: "overhead_per_step_us", value: of("overhead_per_step"), atMost: 100 },
    { name: "wide_of_ideal_percent", value: of("wide_of_ideal"), atLeast: 95 },
    ...(hasRival
      ? AT_ONCE.map((atOnce) => ({
          name: `workflows_${atOnce}_vs_dbos`,
          value: of(`workflows_${atOnce}`) / of(`workflows_${atOnce}_dbos`),
        }))
      : []),
  ];
}
