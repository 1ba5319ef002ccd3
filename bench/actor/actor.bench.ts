import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { openSupervisor } from "../../src/supervisor/index.ts";
import type { RefOf } from "mcplusplus";
import { median, result, type Measured, type Ratio, type Result } from "../kit/suite.ts";
import { inLanes, inTurns } from "../kit/turns.ts";
import { measureStart } from "./start.ts";
import { Sink } from "./sink.protocol.ts";
import { taskMessage, type TaskMessage } from "./task-message.ts";

/**
 * The public `cast` and `call` of a spawned actor beside plain `postMessage`, on the same messages, in turns within
 * one run. Ours carries header, deadline and bounds; theirs has none, and is given no work that ours does not do.
 */

const ROUNDS = 7;
const ONE_WAY = 500_000;
const PER_BATCH = 64;
const ECHOES = 100_000;
const IN_FLIGHT = 256;
const HOT_TRIPS = 5_000;
const IDLE_TRIPS = 150;
const IDLE_MS = 2;

type SinkRef = RefOf<typeof Sink>;
type Sample = () => Promise<number>;

const MESSAGES: readonly TaskMessage[] = Array.from({ length: 1_024 }, (_, index) => taskMessage(index));
const message = (index: number): TaskMessage => MESSAGES[index % MESSAGES.length] as TaskMessage;

export default async function measure(): Promise<Measured> {
  const start = await measureStart();
  const supervisor = openSupervisor();
  const sink = await supervisor.spawn(Sink, { module: new URL("./sink.actor.ts", import.meta.url).href });
  const worker = new Worker(new URL("./post-message.worker.ts", import.meta.url));
  await once(worker, "online");
  try {
    const measurements: Readonly<Record<string, Sample>> = {
      oneway: () => ourOneWay(sink),
      oneway_postmessage: () => theirOneWay(worker, 1),
      oneway_postmessage_batched: () => theirOneWay(worker, PER_BATCH),
      echo_pipelined: () => ourEchoes(sink),
      echo_pipelined_postmessage: () => theirEchoes(worker),
      hot_roundtrip_p50: async () => median(await ourTrips(sink, HOT_TRIPS, 0)),
      hot_roundtrip_p50_postmessage: async () => median(await theirTrips(worker, HOT_TRIPS, 0)),
      idle_roundtrip_p50: async () => median(await ourTrips(sink, IDLE_TRIPS, IDLE_MS)),
      idle_roundtrip_p50_postmessage: async () => median(await theirTrips(worker, IDLE_TRIPS, IDLE_MS)),
    };
    const turns = Object.entries(measurements).map(([name, sample]) => async () => ({
      [name]: await sample(),
    }));
    const samples = await inTurns(ROUNDS, turns);
    const results = Object.entries(samples).map(([name, values]) =>
      result(name, name.includes("roundtrip") ? "us" : "per second", values),
    );
    return {
      durability: "none",
      results: [...results, ...start.results],
      ratios: [...ratiosOf(results), ...start.ratios],
      samples: { ...samples, ...start.samples },
    };
  } finally {
    await worker.terminate();
    await supervisor.close();
  }
}

function ratiosOf(results: readonly Result[]): Ratio[] {
  const of = (name: string): number => results.find((each) => each.name === name)?.value ?? Number.NaN;
  return [
    { name: "oneway_throughput_vs_postmessage", value: of("oneway") / of("oneway_postmessage"), atLeast: 3 },
    {
      name: "oneway_throughput_vs_postmessage_batched",
      value: of("oneway") / of("oneway_postmessage_batched"),
      atLeast: 1.5,
    },
    {
      name: "echo_pipelined_throughput_vs_postmessage",
      value: of("echo_pipelined") / of("echo_pipelined_postmessage"),
      atLeast: 2.5,
    },
    {
      name: "hot_roundtrip_p50_vs_postmessage",
      value: of("hot_roundtrip_p50_postmessage") / of("hot_roundtrip_p50"),
      atLeast: 6,
    },
    {
      name: "idle_roundtrip_p50_vs_postmessage",
      value: of("idle_roundtrip_p50_postmessage") / of("idle_roundtrip_p50"),
      atLeast: 1,
    },
  ];
}

const perSecond = (count: number, sinceMs: number): number => (count / (performance.now() - sinceMs)) * 1_000;

async function ourOneWay(sink: SinkRef): Promise<number> {
  const sinceMs = performance.now();
  for (let index = 0; index < ONE_WAY; index++) while (!sink.cast.put(message(index))) await sink.writable();
  let counted = 0;
  while (counted < ONE_WAY) counted += await sink.call.count();
  return perSecond(counted, sinceMs);
}

async function theirOneWay(worker: Worker, perBatch: number): Promise<number> {
  const sinceMs = performance.now();
  for (let index = 0; index < ONE_WAY; index += perBatch) {
    if (perBatch === 1) worker.postMessage(message(index));
    else worker.postMessage(Array.from({ length: perBatch }, (_, offset) => message(index + offset)));
  }
  worker.postMessage("count");
  const [counted] = (await once(worker, "message")) as [number];
  return perSecond(counted, sinceMs);
}

async function ourEchoes(sink: SinkRef): Promise<number> {
  const sinceMs = performance.now();
  await inLanes(ECHOES, IN_FLIGHT, (index) => sink.call.echo(message(index)));
  return perSecond(ECHOES, sinceMs);
}

async function theirEchoes(worker: Worker): Promise<number> {
  const sinceMs = performance.now();
  const done = Promise.withResolvers<void>();
  let next = 0;
  let received = 0;
  const send = (): void => worker.postMessage({ echo: true, ...message(next++) });
  const onMessage = (): void => {
    received++;
    if (next < ECHOES) send();
    if (received === ECHOES) done.resolve();
  };
  worker.on("message", onMessage);
  for (let lane = 0; lane < IN_FLIGHT; lane++) send();
  await done.promise;
  worker.off("message", onMessage);
  return perSecond(ECHOES, sinceMs);
}

/** Microseconds of each round trip. */
async function ourTrips(sink: SinkRef, count: number, gapMs: number): Promise<number[]> {
  const trips: number[] = [];
  for (let index = 0; index < count; index++) {
    if (gapMs > 0) await pause(gapMs);
    const sinceMs = performance.now();
    await sink.call.echo(message(index));
    trips.push((performance.now() - sinceMs) * 1_000);
  }
  return trips;
}

async function theirTrips(worker: Worker, count: number, gapMs: number): Promise<number[]> {
  const trips: number[] = [];
  let resume: () => void = () => undefined;
  const onMessage = (): void => resume();
  worker.on("message", onMessage);
  for (let index = 0; index < count; index++) {
    if (gapMs > 0) await pause(gapMs);
    const sinceMs = performance.now();
    await new Promise<void>((resolve) => {
      resume = resolve;
      worker.postMessage({ echo: true, ...message(index) });
    });
    trips.push((performance.now() - sinceMs) * 1_000);
  }
  worker.off("message", onMessage);
  return trips;
}
