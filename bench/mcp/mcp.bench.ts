import type { Flags } from "../kit/flags.ts";
import { median, percentile, result, type Measured, type Ratio } from "../kit/suite.ts";
import { inLanes, inTurns, type Figures, type Samples } from "../kit/turns.ts";
import type { Era, LineClient } from "./line-client.ts";
import { openBare, openOurs, settle } from "./servers.ts";

/**
 * A tool that does nothing, through the whole server and through the bare SDK, over standard input and output; how soon
 * a server answers that has just been started; and what it takes while nobody asks.
 */

const SEQUENTIAL = 2_000;
const PIPELINED = 10_000;
const IN_FLIGHT = 64;
/** Calls before anything is measured: code is compiled meanwhile. */
const WARM_UP = 3_000;
const ERAS: readonly Era[] = ["2025-11-25", "2026-07-28"];

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const ours = await openOurs();
  const bare = await openBare();
  let samples: Samples;
  let idle: number[];
  try {
    await settle();
    idle = [ours.client.residentMb()];
    for (const client of [ours.client, bare]) await inLanes(WARM_UP, IN_FLIGHT, () => client.call("noop"));
    samples = await inTurns(rounds, [
      () => noop("", ours.client),
      () => noop("_bare_sdk", bare),
      ...ERAS.map((era) => () => firstAnswer(era)),
    ]);
  } finally {
    await ours.close();
    await bare.close();
  }
  const all = { ...samples, idle_resident: idle };
  return {
    durability: "flushed",
    rivals: [{ name: "bare_sdk", is: "@modelcontextprotocol/server alone, the same tool" }],
    results: Object.entries(all).map(([name, values]) => result(name, unitOf(name), values)),
    ratios: ratiosOf(all),
    samples: all,
  };
}

async function noop(suffix: string, client: LineClient): Promise<Figures> {
  const times: number[] = [];
  for (let call = 0; call < SEQUENTIAL; call++) {
    const sinceMs = performance.now();
    await client.call("noop");
    times.push((performance.now() - sinceMs) * 1_000);
  }
  const sinceMs = performance.now();
  await inLanes(PIPELINED, IN_FLIGHT, () => client.call("noop"));
  return {
    [`noop_p50${suffix}`]: median(times),
    [`noop_p99${suffix}`]: percentile(times, 0.99),
    [`noop_64_inflight${suffix}`]: (PIPELINED / (performance.now() - sinceMs)) * 1_000,
  };
}

async function firstAnswer(era: Era): Promise<Figures> {
  const { client, close } = await openOurs([], era);
  const { firstAnswerMs } = client;
  await close();
  return { [`first_answer_${era}`]: firstAnswerMs };
}

function unitOf(name: string): string {
  if (name.startsWith("first_answer")) return "ms";
  if (name === "idle_resident") return "MB";
  return name.includes("inflight") ? "per second" : "us";
}

function ratiosOf(samples: Samples): Ratio[] {
  const of = (name: string): number => median(samples[name] ?? []);
  return [
    { name: "noop_p50_vs_bare_sdk", value: of("noop_p50") / of("noop_p50_bare_sdk"), atMost: 1.25 },
    {
      name: "noop_64_inflight_throughput_vs_bare_sdk",
      value: of("noop_64_inflight") / of("noop_64_inflight_bare_sdk"),
      atLeast: 0.9,
    },
    ...ERAS.map((era) => ({ name: `first_answer_${era}_ms`, value: of(`first_answer_${era}`), atMost: 250 })),
    { name: "idle_resident_mb", value: of("idle_resident"), atMost: 230 },
  ];
}
