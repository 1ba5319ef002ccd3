import { createInterface } from "node:readline";
import { workerModule } from "../../../../src/actor/index.ts";
import { Network } from "../../../../src/peers/network.protocol.ts";
import { PeerRegistry } from "../../../../src/peers/peers.protocol.ts";
import { openSupervisor } from "../../../../src/supervisor/index.ts";

/**
 * A node at an address of its namespace. It says `{ peerId, address }`, connects to the peer that a line of its input names in
 * the same form, and says every half second what it has measured of it.
 */
const [, , host = ""] = process.argv;
const supervisor = openSupervisor();
const network = await supervisor.spawn(Network, {
  module: workerModule("network.actor").href,
  init: {
    host: {
      keyFile: null,
      listen: [`/ip4/${host}/tcp/4001`],
      announce: [],
      reach: ["machine", "lan"],
      connectionsMax: 16,
      inboundPerSecond: 100,
      mdns: false,
      dht: false,
      gossip: false,
      relayServer: false,
      relays: [],
    },
  },
});
const registry = await supervisor.spawn(PeerRegistry, {
  module: new URL("quick-registry.actor.ts", import.meta.url).href,
  init: { discovery: { directory: null, capabilities: [], recordTtlMs: 600_000, file: null, github: null } },
  calls: ["network"],
});
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const { peerId, addresses } = await network.call.figures();
say({ peerId, address: addresses[0] });
for await (const line of createInterface({ input: process.stdin })) {
  const other = JSON.parse(line) as { peerId: string; address: string };
  await registry.call.connect(
    { ...other, attempts: 5, attemptMs: 5_000, persist: true },
    { timeoutMs: 30_000 },
  );
  setInterval(() => {
    void registry.call.list({ offset: 0, limit: 10 }).then(({ peers }) => say(peers[0]?.figures));
  }, 500);
}
await supervisor.close();
process.exit(0);
