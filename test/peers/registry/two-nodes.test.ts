import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { workerModule, type RefOf } from "../../../src/actor/index.ts";
import { Network, type HostInit } from "../../../src/peers/network.protocol.ts";
import { PeerRegistry, type DiscoveryInit, type KnownPeer } from "../../../src/peers/peers.protocol.ts";
import { openSupervisor, type SupervisorHandle } from "../../../src/supervisor/index.ts";

// The death of an actor is no news here.
process.env["MCPLUSPLUS_LOG"] ??= "error";

interface RealNode extends AsyncDisposable {
  readonly supervisor: SupervisorHandle;
  readonly network: RefOf<typeof Network>;
  readonly registry: RefOf<typeof PeerRegistry>;
  readonly peerId: string;
  readonly address: string;
  peer(peerId: string): Promise<KnownPeer | undefined>;
}

const HOST: HostInit = {
  keyFile: null,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  reach: ["machine"],
  connectionsMax: 16,
  inboundPerSecond: 1_000,
  mdns: false,
  dht: false,
  gossip: false,
  relayServer: false,
  relays: [],
};

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "two-nodes-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Two real actors on threads of their own. */
async function openNode(
  name: string,
  host: Partial<HostInit> = {},
  init: Partial<DiscoveryInit> = {},
): Promise<RealNode> {
  const supervisor = openSupervisor();
  const network = await supervisor.spawn(Network, {
    module: workerModule("network.actor").href,
    init: { host: { ...HOST, keyFile: join(directory, `${name}.key`), ...host } },
  });
  const discovery = {
    directory: null,
    capabilities: [name],
    recordTtlMs: 600_000,
    file: null,
    github: null,
    ...init,
  };
  const registry = await supervisor.spawn(PeerRegistry, {
    module: workerModule("peer-registry.actor").href,
    init: { discovery },
    calls: ["network"],
  });
  const { peerId, addresses } = await network.call.figures();
  return {
    supervisor,
    network,
    registry,
    peerId,
    address: addresses[0] ?? "",
    async peer(wanted) {
      const { peers } = await registry.call.list({ offset: 0, limit: 1_000 });
      return peers.find((peer) => peer.peerId === wanted);
    },
    [Symbol.asyncDispose]: () => supervisor.close(),
  };
}

/** Looks again until it is so; the test's own time limit ends it. */
async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => void setTimeout(resolve, 20));
  }
}

const connect = (from: RealNode, to: RealNode, persist = false) =>
  from.registry.call.connect(
    { peerId: to.peerId, address: to.address, attempts: 2, attemptMs: 5_000, persist },
    { timeoutMs: 15_000 },
  );

describe("two real nodes", () => {
  it("find each other in a file, tell each other their records, and see that no datagram is lost between them", async () => {
    const file = join(directory, "peers.json");
    await using one = await openNode("one", {}, { file });
    await using two = await openNode("two", {}, { file });
    await until(
      async () =>
        Object.keys((JSON.parse(readFileSync(file, "utf8")) as { peers: object }).peers).length === 2,
    );
    const found = await one.registry.call.discover({ capabilities: ["two"], max: 10, timeoutMs: 3_000 });
    expect(found.peers).toMatchObject([{ peerId: two.peerId, verified: true, sources: ["local_file"] }]);
    const { peer } = await connect(one, two);
    expect(peer).toMatchObject({ status: "connected", capabilities: ["two"] });
    const seen = await until(async () => {
      const known = await two.peer(one.peerId);
      return known?.sources.includes("connection") && known;
    });
    expect(seen).toMatchObject({ status: "connected", capabilities: ["one"] });
    const figures = await until(async () => {
      const known = await one.peer(two.peerId);
      return known?.figures.lossPercent === null ? undefined : known?.figures;
    });
    expect(figures.lossPercent).toBe(0);
    const { sequence } = await two.registry.call.offer({ capabilities: ["resize"] });
    expect(sequence).toBeGreaterThan(Date.now() - 60_000);
    await until(async () => (await one.peer(two.peerId))?.capabilities.includes("resize"));
    await two.supervisor.close();
    expect(Object.keys((JSON.parse(readFileSync(file, "utf8")) as { peers: object }).peers)).toEqual([
      one.peerId,
    ]);
  });

  it("hear of each other's records by gossip, also those who are not connected to each other", async () => {
    const gossip = { gossip: true };
    await using one = await openNode("one", gossip);
    await using two = await openNode("two", gossip);
    await using three = await openNode("three", gossip);
    await connect(two, one);
    await connect(two, three);
    await until(async () => {
      await one.registry.call.offer({ capabilities: ["more"] });
      const known = await three.peer(one.peerId);
      return known?.capabilities.includes("more") && known.sources.includes("gossip");
    });
    expect((await three.peer(one.peerId))?.status).toBe("disconnected");
  });

  it("are connected again after the death of a network, when their connection was to persist", async () => {
    await using one = await openNode("one");
    await using two = await openNode("two");
    await connect(one, two, true);
    await one.supervisor.kill("network");
    await until(async () => (await one.peer(two.peerId))?.status === "disconnected");
    await until(async () => (await one.peer(two.peerId))?.status === "connected");
    expect(await one.peer(two.peerId)).toMatchObject({ persistent: true, verified: true });
    const { wasConnected } = await one.registry.call.disconnect({
      peerId: two.peerId,
      graceful: true,
      reason: "enough",
    });
    expect(wasConnected).toBe(true);
    expect(await one.peer(two.peerId)).toMatchObject({ persistent: false, status: "disconnected" });
  });
});
