import { multiaddr } from "@multiformats/multiaddr";
import { openChild } from "../kit/child.ts";
import { median, percentile } from "../kit/suite.ts";
import { inLanes, inTurns, type Figures, type Samples } from "../kit/turns.ts";
import { askBare, askLink, openBareNode, type Ask } from "./link-node.ts";

/**
 * Requests to a node in another process, by a link and by a bare stream of libp2p on the same connection: what ids, checks,
 * credit and deadlines cost.
 */

/** Both are asked in turns, a little each time: whatever else the machine does meets them alike. */
const TURNS = 20;
const SEQUENTIAL = 100;
const PIPELINED = 500;
const IN_FLIGHT = 64;
const WARM_UP = 2_000;
/** As a small task has. */
const BODY = new Uint8Array(200).fill(7);
const LARGE = new Uint8Array(1_048_576);
const LARGE_REQUESTS = 24;
const LARGE_IN_FLIGHT = 4;

/** Every figure of a link, and of a bare stream beside it. */
export async function linkSamples(rounds: number): Promise<Samples> {
  const child = openChild(new URL("link.process.ts", import.meta.url));
  const node = await openBareNode();
  try {
    const connection = await node.dial(multiaddr(await child.ask<string>("address")));
    const [bare, link] = [await askBare(connection), await askLink(connection)];
    for (const ask of [bare, link]) await inLanes(WARM_UP, IN_FLIGHT, () => ask(BODY));
    return await inTurns(rounds, [() => requests({ link, bare }), () => large(link)]);
  } finally {
    await node.stop();
    await child.kill();
  }
}

async function requests(ways: Readonly<Record<string, Ask>>): Promise<Figures> {
  const times: Record<string, number[]> = {};
  const pipelinedMs: Record<string, number> = {};
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [name, ask] of Object.entries(ways)) {
      for (let call = 0; call < SEQUENTIAL; call++) {
        const sinceMs = performance.now();
        await ask(BODY);
        (times[name] ??= []).push((performance.now() - sinceMs) * 1_000);
      }
      const sinceMs = performance.now();
      await inLanes(PIPELINED, IN_FLIGHT, () => ask(BODY));
      pipelinedMs[name] = (pipelinedMs[name] ?? 0) + performance.now() - sinceMs;
    }
  }
  const figures = Object.keys(ways).flatMap((name) => [
    [`request_p50_${name}`, median(times[name] ?? [])],
    [`request_p99_${name}`, percentile(times[name] ?? [], 0.99)],
    [`requests_64_inflight_${name}`, ((TURNS * PIPELINED) / (pipelinedMs[name] ?? 0)) * 1_000],
  ]);
  return Object.fromEntries(figures) as Figures;
}

/** A megabyte there and back. */
async function large(ask: Ask): Promise<Figures> {
  const sinceMs = performance.now();
  await inLanes(LARGE_REQUESTS, LARGE_IN_FLIGHT, () => ask(LARGE));
  const megabytes = (2 * LARGE_REQUESTS * LARGE.length) / 1e6;
  return { bodies_of_1_mib_link: (megabytes / (performance.now() - sinceMs)) * 1_000 };
}
