import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { workerModule, type RefOf } from "../../../src/actor/index.ts";
import { Network } from "../../../src/peers/network.protocol.ts";
import {
  Bootstrap,
  PeerRegistry,
  type BootstrapPlan,
  type BootstrapView,
} from "../../../src/peers/peers.protocol.ts";
import { openSupervisor, type SupervisorHandle } from "../../../src/supervisor/index.ts";
import { HOST, openNode } from "../network/node-kit.ts";

// What the test provokes is told by what it asserts.
process.env["MCPLUSPLUS_LOG"] ??= "error";

let directory: string;
let supervisor: SupervisorHandle;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
  supervisor = openSupervisor();
});
afterEach(async () => {
  await supervisor.close();
  rmSync(directory, { recursive: true });
});

async function spawn(custom: readonly string[]): Promise<RefOf<typeof Bootstrap>> {
  const at = (name: string): string => workerModule(`${name}.actor`).href;
  const host = { ...HOST, keyFile: join(directory, "node.key") };
  await supervisor.spawn(Network, { module: at("network"), init: { host } });
  await supervisor.spawn(PeerRegistry, {
    module: at("peer-registry"),
    init: { discovery: null },
    calls: ["network"],
  });
  const plan: BootstrapPlan = {
    custom,
    defaults: false,
    connectionsMin: 1,
    stunServers: [],
    ipServices: [],
    portMapping: false,
  };
  return supervisor.spawn(Bootstrap, {
    module: at("bootstrap"),
    init: { bootstrap: plan },
    calls: ["network", "peer-registry"],
  });
}

const isReady = ({ state, connections }: BootstrapView): boolean => state === "ready" && connections === 1;

/** Within fifteen seconds: a thread that has died loads all of libp2p again. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error("it did not come true within 15 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it("on its thread it finds its first peer, and finds it again when the network's thread has died", async () => {
  await using seed = await openNode();
  const bootstrap = await spawn([seed.address]);
  const found = async (times: number): Promise<boolean> => {
    const { attempts } = await bootstrap.call.history({ offset: 0, limit: 100 });
    return attempts.filter(({ status }) => status === "success").length >= times;
  };
  await until(async () => isReady(await bootstrap.call.view()) && (await found(1)));
  expect(await bootstrap.call.status()).toEqual({
    networking: "on",
    why: "enough peers are connected: 1 of at least 1",
  });
  await supervisor.kill("network");
  await until(async () => (await bootstrap.call.view()).state === "degraded");
  await until(async () => isReady(await bootstrap.call.view()) && (await found(2)));
  const { attempts } = await bootstrap.call.history({ offset: 0, limit: 1 });
  expect(attempts[0]).toMatchObject({ source: "custom", peerId: seed.peerId, address: seed.address });
});
