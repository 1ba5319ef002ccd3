import { setTimeout as pause } from "node:timers/promises";
import type { Flags } from "../kit/flags.ts";
import { median, percentile, result, type Measured } from "../kit/suite.ts";
import type { LineClient } from "./line-client.ts";
import { openOurs, settle } from "./servers.ts";

/** How long each of the 26 tools takes through the whole server, asked by one client, one call after the other. */

/** Calls of each tool in a round; those that change something get their own ids. */
const CALLS = 100;
/** Of a tool that answers from this machine. */
const LOCAL_P50_MS = 2;

type Call = readonly [name: string, category: string, args: (call: number) => Record<string, unknown>];

const step = { step_id: "a", action: "echo", inputs: { n: 1 } };
const peer = "12D3KooWEZXjE41uU4EL2gpkAQeDXYok6wghN7wwNVPF5bwkaNfS";

/** In the order in which they are measured: what comes later needs what came before. `n` counts over all rounds. */
const CATALOGUE: readonly Call[] = [
  ["workflow_submit", "workflow", (n) => ({ workflow_id: `w-${n}`, name: "W", steps: [step] })],
  ["workflow_status", "workflow", (n) => ({ workflow_id: `w-${n}` })],
  ["workflow_list", "workflow", () => ({ limit: 50 })],
  ["workflow_dependencies", "workflow", (n) => ({ workflow_id: `w-${n}` })],
  ["workflow_result", "workflow", (n) => ({ workflow_id: `w-${n}` })],
  ["workflow_cancel", "workflow", (n) => ({ workflow_id: `waiting-${n}` })],
  ["task_submit", "taskqueue", (n) => ({ task_id: `t-${n}`, task_type: "echo", payload: { n } })],
  ["task_status", "taskqueue", (n) => ({ task_id: `t-${n}` })],
  ["task_list", "taskqueue", () => ({ limit: 100 })],
  ["task_result", "taskqueue", (n) => ({ task_id: `t-${n}` })],
  ["task_priority", "taskqueue", (n) => ({ task_id: `later-${n}`, new_priority: 5 })],
  ["task_cancel", "taskqueue", (n) => ({ task_id: `later-${n}` })],
  ["task_retry", "taskqueue", (n) => ({ task_id: `later-${n}` })],
  ["queue_stats", "queue", () => ({})],
  ["queue_pause", "queue", () => ({})],
  ["queue_resume", "queue", () => ({})],
  ["queue_clear", "queue", () => ({ status_filter: "failed", confirm: true })],
  ["worker_register", "workers", (n) => ({ worker_id: `worker-${n}`, capabilities: ["elsewhere"] })],
  ["worker_status", "workers", (n) => ({ worker_id: `worker-${n}` })],
  ["worker_unregister", "workers", (n) => ({ worker_id: `worker-${n}`, graceful: false })],
  ["peer_discover", "peers", () => ({})],
  ["peer_connect", "peers", () => ({ peer_id: peer, multiaddr: `/ip4/127.0.0.1/tcp/4001/p2p/${peer}` })],
  ["peer_disconnect", "peers", () => ({ peer_id: peer })],
  ["peer_list", "peers", () => ({})],
  ["peer_metrics", "peers", () => ({ peer_id: peer })],
  ["bootstrap_network", "peers", () => ({})],
];

/** What tools are measured on that cannot have made it themselves: work that does not run before it is asked about. */
async function prepare(client: LineClient, n: number): Promise<void> {
  const later = { task_type: "echo", payload: {}, delay_seconds: 3_600 };
  await client.call("task_submit", { task_id: `later-${n}`, ...later });
  const waiting = { name: "W", steps: [step], dependencies: [BLOCKER] };
  await client.call("workflow_submit", { workflow_id: `waiting-${n}`, ...waiting });
}

/** A workflow that lasts longer than the bench, for others to wait for. */
const BLOCKER = "blocker";
const sleeping = { step_id: "a", action: "sleep", inputs: { ms: 3_600_000 } };

export default async function measure({ rounds }: Flags): Promise<Measured> {
  // Nothing of what waits is to run: the tools are measured, not the handlers.
  const server = await openOurs(["--threads", "1"]);
  const samples: Record<string, number[]> = {};
  try {
    await settle();
    await server.client.call("workflow_submit", { workflow_id: BLOCKER, name: "B", steps: [sleeping] });
    for (let round = 0; round <= rounds; round++) await measureAll(server.client, round, samples);
  } finally {
    await server.close();
  }
  const local = CATALOGUE.filter(([, category]) => category !== "peers").map(([name]) => name);
  const slowest = Math.max(...local.map((name) => median(samples[`${name}_p50`] ?? [])));
  return {
    durability: "flushed",
    results: Object.entries(samples).map(([name, values]) => result(name, "ms", values)),
    ratios: [{ name: "slowest_local_p50_ms", value: slowest, atMost: LOCAL_P50_MS }],
    samples,
  };
}

async function measureAll(
  client: LineClient,
  round: number,
  samples: Record<string, number[]>,
): Promise<void> {
  const from = round * CALLS;
  for (let n = from; n < from + CALLS; n++) await prepare(client, n);
  const byCategory: Record<string, number[]> = {};
  for (const [name, category, argsOf] of CATALOGUE) {
    const times: number[] = [];
    for (let n = from; n < from + CALLS; n++) {
      const sinceMs = performance.now();
      await client.call(name, argsOf(n), category === "peers");
      times.push(performance.now() - sinceMs);
    }
    // What was submitted is to have ended before it is asked about.
    if (name.endsWith("_submit")) await ended(client, name, from + CALLS - 1);
    (byCategory[category] ??= []).push(...times);
    keep(samples, name, times, round);
  }
  for (const [category, times] of Object.entries(byCategory)) keep(samples, `all_${category}`, times, round);
  process.stderr.write(`round ${round}\n`);
}

/** The first round is warm-up. */
function keep(
  samples: Record<string, number[]>,
  name: string,
  times: readonly number[],
  round: number,
): void {
  if (round === 0) return;
  for (const [suffix, share] of [
    ["p50", 0.5],
    ["p95", 0.95],
    ["p99", 0.99],
  ] as const)
    (samples[`${name}_${suffix}`] ??= []).push(percentile(times, share));
}

async function ended(client: LineClient, submitted: string, n: number): Promise<void> {
  const [tool, args] =
    submitted === "task_submit"
      ? (["task_result", { task_id: `t-${n}` }] as const)
      : (["workflow_result", { workflow_id: `w-${n}` }] as const);
  for (let tries = 0; tries < 1_000; tries++) {
    const { result: answer } = await client.call(tool, args, true);
    if (answer?.isError !== true) return;
    await pause(10);
  }
  throw new Error(`${submitted} number ${n} has not ended`);
}
