import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured, type Ratio } from "../kit/suite.ts";
import { inTurns, type Samples } from "../kit/turns.ts";
import { firstPeers } from "./first-peers.ts";
import { linkSamples } from "./links.ts";
import { networkMemory } from "./network-memory.ts";
import { remoteWork, sharedToil } from "./remote-work.ts";

/**
 * What peers cost and bring: requests over a link against a bare stream, tasks that run on another node, a workflow that two
 * nodes share, the first peers among dead ones, and the memory of the network's thread.
 */
export default async function measure({ rounds }: Flags): Promise<Measured> {
  const links = await linkSamples(rounds);
  const nodes = await inTurns(rounds, [remoteWork, sharedToil, firstPeers, networkMemory]);
  const samples = { ...links, ...nodes };
  return {
    durability: "flushed",
    rivals: [{ name: "bare", is: "one long-lived stream of libp2p: a length, a number and the bytes" }],
    results: Object.entries(samples).map(([name, values]) => result(name, unitOf(name), values)),
    ratios: ratiosOf(samples),
    samples,
  };
}

function ratiosOf(samples: Samples): Ratio[] {
  const of = (name: string): number => median(samples[name] ?? []);
  return [
    { name: "request_p50_vs_bare", value: of("request_p50_link") / of("request_p50_bare"), atMost: 1.3 },
    {
      name: "requests_64_inflight_vs_bare",
      value: of("requests_64_inflight_link") / of("requests_64_inflight_bare"),
      atLeast: 0.8,
    },
    { name: "remote_tasks_per_second", value: of("remote_noop"), atLeast: 3_000 },
    // Two nodes have four busy threads or more: where there are no more cores than two, this says more of the machine.
    { name: "two_nodes_vs_one", value: of("toil_one_node") / of("toil_two_nodes"), atLeast: 1.8 },
    { name: "ready_among_24_ms", value: of("bootstrap_24"), atMost: 1_000 },
    {
      name: "network_thread_resident_mb",
      value: of("resident_network_thread") - of("resident_off"),
      atMost: 80,
    },
    { name: "networking_resident_mb", value: of("resident_on") - of("resident_off") },
  ];
}

function unitOf(name: string): string {
  if (name.startsWith("bodies")) return "MB/s";
  if (name.startsWith("resident")) return "MB";
  if (name.startsWith("toil") || name.startsWith("bootstrap")) return "ms";
  return name.includes("inflight") || name === "remote_noop" ? "per second" : "us";
}
