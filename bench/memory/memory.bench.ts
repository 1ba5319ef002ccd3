import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChild, type Child } from "../kit/child.ts";
import type { Flags } from "../kit/flags.ts";
import { lastingHeaps, MEASURED_FLAGS, type Memory } from "../kit/memory.ts";
import { slope } from "../kit/slope.ts";
import { median, result, type Measured } from "../kit/suite.ts";
import type { Footprints, Loaded } from "./memory.process.ts";

/**
 * What a system keeps: per waiting and per running task, per thousand requests, after a peak, and over minutes of
 * load. `heap` is what all threads have in use; `resident` is the whole process, as the kernel counts it.
 */

const WAITING = 100_000;
const RUNNING = 10_000;
const GROWTH = { rounds: 20, requests: 1_000 };
/** Rounds in which code is still being compiled and pools still fill. */
const GROWTH_WARM_UP = 5;
const MAXIMUM_OF = 20_000;
const MAXIMUM_RUNS = 3;
const OBSERVATIONS = 180;
/** The time of the load is cut into so many windows; the first third is for filling what is bounded. */
const WINDOWS = 18;
const MB = 2 ** 20;
const MINUTE_MS = 60_000;

export default async function measure({ rounds, minutes }: Flags): Promise<Measured> {
  // Fills the cache of compiled code, so that all that follow start alike.
  await inFreshProcess((child) => child.ask("maximum", MAXIMUM_OF));
  const footprints: Footprints[] = [];
  for (let round = 0; round < rounds; round++)
    footprints.push(
      await inFreshProcess((child) => child.ask("footprints", { waiting: WAITING, running: RUNNING })),
    );
  const growth = await inFreshProcess((child) => child.ask<Memory[]>("growth", GROWTH));
  const grown = growth.slice(GROWTH_WARM_UP);
  const ms = minutes * MINUTE_MS;
  const resident = await inFreshProcess((child) => underLoad(child, ms, "resident"));
  const heap = await inFreshProcess((child) => underLoad(child, ms, "heap"));

  const samples: Record<string, readonly number[]> = {
    ...perTask(footprints),
    heap_growth_per_1000_requests: [slope(lastingHeaps(grown))],
    resident_growth_per_1000_requests: [slope(grown.map(residentBytes))],
    load: [resident.submittedPerSecond, heap.submittedPerSecond],
    heap_under_load: lasting(heap).map(({ bytes }) => bytes / MB),
    resident_under_load: residents(resident).map(({ bytes }) => bytes / MB),
  };
  const slopeOf = (seen: readonly Seen[]): number => (slope(windows(seen)) / MB) * (WINDOWS / minutes);
  const carried = [resident, heap].map((loaded) => loaded.submittedPerSecond / loaded.offeredPerSecond);
  return {
    durability: "flushed",
    samples,
    results: Object.entries(samples).map(([name, values]) => result(name, unitOf(name), values)),
    ratios: [
      { name: "heap_slope_mb_per_minute", value: slopeOf(lasting(heap)), atMost: 1 },
      { name: "resident_slope_mb_per_minute", value: slopeOf(residents(resident)), atMost: 1 },
      { name: "load_carried_of_offered", value: Math.min(...carried), atLeast: 0.99 },
    ],
  };
}

async function inFreshProcess<Found>(work: (child: Child) => Promise<Found>): Promise<Found> {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-memory-"));
  const module = new URL("./memory.process.ts", import.meta.url);
  const child = openChild(module, { args: [join(directory, "data")], flags: MEASURED_FLAGS, built: true });
  try {
    const found = await work(child);
    await child.ask("close");
    await child.end();
    return found;
  } finally {
    await child.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

const residentBytes = (memory: Memory): number => memory.residentBytes;

function perTask(footprints: readonly Footprints[]): Record<string, number[]> {
  const inOrder = footprints.map(({ before, waiting, running, after }) => [before, waiting, running, after]);
  return {
    ...figuresOf("heap", inOrder.map(lastingHeaps)),
    ...figuresOf(
      "resident",
      inOrder.map((times) => times.map(residentBytes)),
    ),
  };
}

function figuresOf(kind: string, footprints: readonly (readonly number[])[]): Record<string, number[]> {
  const waiting: number[] = [];
  const running: number[] = [];
  const recovered: number[] = [];
  for (const [before = 0, withWaiting = 0, withRunning = 0, after = 0] of footprints) {
    const perWaiting = (withWaiting - before) / WAITING;
    waiting.push(perWaiting);
    running.push(perWaiting + (withRunning - withWaiting) / RUNNING);
    recovered.push(((withRunning - after) / (withRunning - before)) * 100);
  }
  return {
    [`${kind}_per_waiting_task`]: waiting,
    [`${kind}_per_running_task`]: running,
    [`${kind}_recovered`]: recovered,
  };
}

/** Half of what it can do, for so long. */
async function underLoad(child: Child, ms: number, what: "resident" | "heap"): Promise<Loaded> {
  const maxima: number[] = [];
  for (let run = 0; run <= MAXIMUM_RUNS; run++) maxima.push(await child.ask<number>("maximum", MAXIMUM_OF));
  // The first is warm-up.
  const perSecond = median(maxima.slice(1)) / 2;
  return child.ask<Loaded>("load", { perSecond, ms, everyMs: ms / OBSERVATIONS, what });
}

interface Seen {
  readonly atMs: number;
  readonly bytes: number;
}

const residents = ({ observed }: Loaded): Seen[] =>
  observed.map(({ atMs, memory }) => ({ atMs, bytes: memory.residentBytes }));

/** Only of the time that counts, in which the handler threads are those that the load needs. */
function lasting({ observed }: Loaded): Seen[] {
  const endMs = observed.at(-1)?.atMs ?? 0;
  const counted = observed.filter(({ atMs }) => atMs >= endMs / 3);
  const heaps = lastingHeaps(counted.map(({ memory }) => memory));
  return counted.map(({ atMs }, index) => ({ atMs, bytes: heaps[index] ?? Number.NaN }));
}

/** The median of each window of equal length, those of the first third left out. */
function windows(seen: readonly Seen[]): number[] {
  const endMs = seen.at(-1)?.atMs ?? 0;
  const windowOf = ({ atMs }: Seen): number => Math.min(WINDOWS - 1, Math.floor((atMs / endMs) * WINDOWS));
  return [...Map.groupBy(seen, windowOf)]
    .filter(([window]) => window >= WINDOWS / 3)
    .toSorted(([a], [b]) => a - b)
    .map(([, inWindow]) => median(inWindow.map(({ bytes }) => bytes)));
}

function unitOf(name: string): string {
  if (name.endsWith("_task") || name.endsWith("_requests")) return "bytes";
  if (name.endsWith("_recovered")) return "percent";
  return name === "load" ? "per second" : "MB";
}
