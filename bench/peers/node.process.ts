import { openSystem, type NetworkOptions, type System } from "mcplusplus";
import { answer } from "../kit/child.ts";
import { inLanes } from "../kit/turns.ts";
import { Network, type HostInit } from "../../src/peers/network.protocol.ts";
import type { NodePlan, Token } from "./nodes.ts";

/** Nodes in a process of their own, which it opens when it is asked to. */
const systems: System[] = [];
const TASKS = [new URL("./peer.tasks.ts", import.meta.url)];

const ALONE: HostInit = {
  keyFile: null,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  reach: ["machine"],
  connectionsMax: 256,
  inboundPerSecond: 50,
  mdns: false,
  dht: true,
  gossip: true,
  relayServer: false,
  relays: [],
};

/** The first: most questions are about one node. */
function first(): System {
  const [system] = systems;
  if (system === undefined) throw new Error("no node is open");
  return system;
}

answer({
  async open({ data, threads, handlers, network }: NodePlan) {
    const options = { data, threads, tasks: handlers ? TASKS : [] };
    const system = await openSystem({ ...options, ...(network && { network }) });
    systems.push(system);
    return network ? system.peers.node() : null;
  },
  async allow({ peerId, actions }: { peerId: string; actions: readonly string[] }): Promise<Token> {
    return first().peers.allow(peerId, { actions, concurrency: 1_000, perMinute: 6_000_000 });
  },
  async use({ token, peerId, address }: { token: string; peerId: string; address: string }) {
    await first().peers.use(token);
    await first().peers.connect(peerId, address);
  },
  outlets: () => first().peers.outlets(),
  drop: (peerId: string) => first().peers.drop(peerId),
  /** Tasks per second, from the first submission to the last end. */
  async tasks({
    action,
    input,
    count,
    lanes,
  }: {
    action: string;
    input: object;
    count: number;
    lanes: number;
  }) {
    const { tasks } = first();
    const sinceMs = performance.now();
    await inLanes(count, lanes, () => tasks.run({ action, input: { ...input } }));
    return (count / (performance.now() - sinceMs)) * 1_000;
  },
  /** Milliseconds that a workflow of equal steps takes. */
  async workflow({ action, input, steps }: { action: string; input: object; steps: number }) {
    const sinceMs = performance.now();
    await first().run({
      workflowId: `w${process.hrtime.bigint()}`,
      steps: Array.from({ length: steps }, (_, at) => ({
        stepId: `s${at}`,
        action,
        inputs: { ...input },
      })),
    });
    return performance.now() - sinceMs;
  },
  bootstrap: (options: NetworkOptions["bootstrap"] & { connectionsMin: number; timeoutMs: number }) =>
    first().peers.bootstrap(options),
  /** The thread of the network and nothing else of networking, beside a system that is there already. */
  async networkThread() {
    const module = new URL("../../dist/workers/network.actor.js", import.meta.url).href;
    await first().spawn(Network, { name: "network-alone", module, init: { host: ALONE } });
  },
  resident: () => process.memoryUsage.rss() / 2 ** 20,
  async close() {
    await Promise.all(systems.splice(0).map((system) => system.close()));
  },
});
