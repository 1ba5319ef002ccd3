import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { base58btc } from "multiformats/bases/base58";
import { afterEach, beforeEach, expect, it } from "vitest";
import { workerModule } from "../../../src/actor/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { bootstrapBehaviour } from "../../../src/peers/bootstrap/bootstrap.behaviour.ts";
import { Network } from "../../../src/peers/network.protocol.ts";
import { Bootstrap } from "../../../src/peers/peers.protocol.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { openSupervisor, type SupervisorHandle } from "../../../src/supervisor/index.ts";
import { fakeActor, fakeMessage } from "../../kit/actor-context.ts";
import type { ManualClock } from "../../kit/manual-clock.ts";
import { HOST, openNode, type TestNode } from "../network/node-kit.ts";
import { registryOf } from "./network-script.ts";

let supervisor: SupervisorHandle;
const nodes: TestNode[] = [];
const holes: Server[] = [];
const held = new Set<Socket>();

beforeEach(() => {
  supervisor = openSupervisor();
});
afterEach(async () => {
  await supervisor.close();
  for (const node of nodes.splice(0)) await node[Symbol.asyncDispose]();
  for (const socket of held) socket.destroy();
  held.clear();
  for (const hole of holes.splice(0)) hole.close();
});

const someId = (): string => base58btc.encode(Uint8Array.from([0x12, 0x20, ...randomBytes(32)])).slice(1);
const addressAt = (port: number): string => `/ip4/127.0.0.1/tcp/${port}/p2p/${someId()}`;

/** Takes connections, and never says a word. */
async function blackHole(): Promise<string> {
  const hole = createServer((socket) => {
    held.add(socket);
    socket.on("error", () => {});
  });
  hole.listen(0, "127.0.0.1");
  await once(hole, "listening");
  holes.push(hole);
  return addressAt((hole.address() as AddressInfo).port);
}

/** Nobody listens there any more. */
async function refusing(): Promise<string> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return addressAt(port);
}

it("24 real nodes of which 14 never answer and 6 refuse are ready long before one of them has run out of time, in the worst order", async () => {
  const network = await supervisor.spawn(Network, {
    module: workerModule("network.actor").href,
    init: { host: { ...HOST, listen: [] } },
  });
  const addresses: string[] = [];
  for (let index = 0; index < 14; index++) addresses.push(await blackHole());
  for (let index = 0; index < 6; index++) addresses.push(await refusing());
  for (let index = 0; index < 4; index++) {
    const node = await openNode();
    nodes.push(node);
    addresses.push(node.address);
  }
  const refs = { network, "peer-registry": registryOf(async () => []) };
  const fake = fakeActor(Bootstrap, { clock: systemClock as ManualClock, refs });
  const plan = {
    custom: [],
    defaults: false,
    connectionsMin: 0,
    stunServers: [],
    ipServices: [],
    portMapping: false,
  };
  const actor = await bootstrapBehaviour.setup(fake.context, { bootstrap: plan });
  const order = { nodes: addresses, connectionsMin: 3, connectionsMax: 10, timeoutMs: 20_000 };
  const startMs = systemClock.wallNow();
  const result = await actor.run(order, fakeMessage());
  expect(result.ready).toBe(true);
  expect([...result.connectedPeers].toSorted()).toEqual(nodes.map(({ peerId }) => peerId).toSorted());
  const count = (status: string): number => result.attempts.filter((each) => each.status === status).length;
  expect([count("success"), count("failed"), count("timeout")]).toEqual([4, 6, 14]);
  // Ready comes with the third connection; the run waits for the fourth, and a moment for those that hang.
  const third = result.attempts.filter(({ status }) => status === "success")[2];
  const readyMs = (third?.startedAtMs ?? Infinity) + (third?.tookMs ?? 0) - startMs;
  // A second on an idle machine; how many are dialled when is a law of its own, by a clock that is not the machine's.
  expect(readyMs).toBeLessThan(LIMITS.bootstrap.dialMs);
  await fake.stop();
});

it("another peer than the one that was meant is a failure that says so", async () => {
  const network = await supervisor.spawn(Network, {
    module: workerModule("network.actor").href,
    init: { host: { ...HOST, listen: [] } },
  });
  const node = await openNode();
  nodes.push(node);
  const fake = fakeActor(Bootstrap, {
    clock: systemClock as ManualClock,
    refs: { network, "peer-registry": registryOf(async () => []) },
  });
  const plan = {
    custom: [],
    defaults: false,
    connectionsMin: 0,
    stunServers: [],
    ipServices: [],
    portMapping: false,
  };
  const actor = await bootstrapBehaviour.setup(fake.context, { bootstrap: plan });
  const wrong = node.address.replace(/\/p2p\/.*/, `/p2p/${someId()}`);
  const result = await actor.run(
    { nodes: [wrong], connectionsMin: 1, connectionsMax: 1, timeoutMs: 20_000 },
    fakeMessage(),
  );
  expect(result).toMatchObject({ ready: false, connectedPeers: [], attempts: [{ status: "failed" }] });
  expect(result.attempts[0]?.error).toMatch(/answers there|answered there, not|somebody else answers there/);
  await fake.stop();
});
