import { openChild, type Child } from "../kit/child.ts";
import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured, type Ratio, type RivalReport } from "../kit/suite.ts";
import { inTurns, type Samples } from "../kit/turns.ts";
import type { Solved } from "./contestant.process.ts";

/** Validate, level and critical path of a graph of a million steps and two million edges, from the list of steps on. */
const OURS = "ours";
const RIVALS = ["graphology", "graphlib"] as const;
const GOALS = { mostMs: 1_500, timesFaster: 10 };
/** The graph itself, its JSON, and what a rival makes of it. */
const HEAP_MB = 8_192;

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const started = new Map<string, Child>();
  const rivals: RivalReport[] = [];
  let samples: Samples;
  try {
    const { child } = await start(OURS);
    started.set(OURS, child);
    for (const name of RIVALS) {
      try {
        const rival = await start(name);
        started.set(name, rival.child);
        rivals.push({ name, is: rival.is });
      } catch (error) {
        rivals.push({ name, absent: error instanceof Error ? error.message : String(error) });
      }
    }
    const agreed: Agreed = { found: undefined };
    samples = await inTurns(
      rounds,
      [...started].map(
        ([name, process]) =>
          () =>
            solve(name, process, agreed),
      ),
    );
  } finally {
    for (const child of started.values()) await child.end();
  }
  return {
    durability: "none",
    rivals,
    results: Object.entries(samples).map(([name, values]) => result(name, "ms", values)),
    ratios: ratiosOf(samples),
    samples,
  };
}

async function start(name: string): Promise<{ readonly child: Child; readonly is: string }> {
  const child = openChild(new URL("./contestant.process.ts", import.meta.url), {
    args: [name],
    flags: [`--max-old-space-size=${HEAP_MB}`, "--expose-gc"],
  });
  try {
    return { child, is: await child.ask<string>("start") };
  } catch (error) {
    await child.kill();
    throw error;
  }
}

/** What all have found so far. */
interface Agreed {
  found: string | undefined;
}

async function solve(name: string, child: Child, agreed: Agreed): Promise<Record<string, number>> {
  const { ms, ...found } = await child.ask<Solved>("solve");
  const text = JSON.stringify(found);
  agreed.found ??= text;
  if (text !== agreed.found) throw new Error(`${name} found ${text}, others ${agreed.found}`);
  return { [nameOf(name)]: ms };
}

const nameOf = (contestant: string): string => `dag_1m${contestant === OURS ? "" : `_${contestant}`}`;

function ratiosOf(samples: Samples): Ratio[] {
  const timeOf = (name: string): number => median(samples[nameOf(name)] ?? []);
  return [
    { name: "dag_1m_ms", value: timeOf(OURS), atMost: GOALS.mostMs },
    ...RIVALS.map((name) => ({
      name: `dag_1m_vs_${name}`,
      value: timeOf(name) / timeOf(OURS),
      atLeast: GOALS.timesFaster,
    })),
  ];
}
