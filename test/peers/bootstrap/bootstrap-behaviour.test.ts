import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HandlersOf, MessageContext } from "../../../src/actor/index.ts";
import { LIMITS, fault } from "../../../src/errors/index.ts";
import { bootstrapBehaviourOver } from "../../../src/peers/bootstrap/bootstrap.behaviour.ts";
import { PUBLIC_ADDRESS_SERVICES, PUBLIC_NODES } from "../../../src/peers/bootstrap/public-nodes.ts";
import { Bootstrap, type BootstrapPlan, type KnownPeer } from "../../../src/peers/peers.protocol.ts";
import offBehaviour from "../../../workers/bootstrap.actor.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../../kit/actor-context.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { NetworkScript, PEERS, knownPeer, registryOf } from "./network-script.ts";

type Members = typeof Bootstrap.members;

const NO_PLAN: BootstrapPlan = {
  custom: [],
  defaults: false,
  connectionsMin: 0,
  stunServers: [],
  ipServices: [],
  portMapping: false,
};
const addressOf = (index: number, port = 4_001): string => `/ip4/127.0.0.1/tcp/${port}/p2p/${PEERS[index]}`;

let clock: ManualClock;
let network: NetworkScript;
let known: () => Promise<KnownPeer[]>;
const open: FakeActor<Members>[] = [];

beforeEach(() => {
  clock = manualClock();
  network = new NetworkScript(clock);
  known = async () => [];
});
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.stop();
});

interface Opened {
  readonly fake: FakeActor<Members>;
  readonly actor: HandlersOf<Members>;
  run(
    order?: Partial<Parameters<HandlersOf<Members>["run"]>[0]>,
    message?: MessageContext,
  ): Promise<Awaited<ReturnType<HandlersOf<Members>["run"]>>>;
  states(): string[];
}

async function openActor(plan: Partial<BootstrapPlan> = {}): Promise<Opened> {
  const refs = { network: network.ref, "peer-registry": registryOf(() => known()) };
  const fake = fakeActor(Bootstrap, { clock, refs });
  const behaviour = bootstrapBehaviourOver({ fetch: () => Promise.reject(new Error("no test is served")) });
  const actor = await behaviour.setup(fake.context, { bootstrap: { ...NO_PLAN, ...plan } });
  open.push(fake);
  return {
    fake,
    actor,
    run: async (order = {}, message = fakeMessage()) =>
      actor.run({ nodes: [], connectionsMin: 1, connectionsMax: 10, timeoutMs: 30_000, ...order }, message),
    states: () =>
      fake.events
        .filter(({ event }) => event === "moved")
        .map(({ params }) => (params as { state: string }).state),
  };
}

describe("with networking off", () => {
  it("says so in its status and its health, and contacts nobody", async () => {
    const fake = fakeActor(Bootstrap);
    const actor = await offBehaviour.setup(fake.context, { bootstrap: null });
    const message = fakeMessage();
    const off = { networking: "off", why: expect.stringContaining("networking is off") as string };
    expect(await actor.status(undefined, message)).toEqual(off);
    expect(fake.health()).toEqual(off);
    expect(await actor.history({ offset: 0, limit: 10 }, message)).toEqual({ attempts: [], total: 0 });
    const order = { nodes: [], connectionsMin: 1, connectionsMax: 2, timeoutMs: 1 };
    expect(() => actor.run(order, message)).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => actor.view(undefined, message)).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    expect(() => actor.history({ offset: 0, limit: 0 }, message)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("a run", () => {
  it("dials the nodes of the call, and tells what became of each, and who is connected", async () => {
    network.fates.set(addressOf(0), { kind: "connects", afterMs: 20 });
    network.fates.set(addressOf(1), { kind: "refuses", afterMs: 5, why: "connection refused" });
    const { run } = await openActor();
    const running = run({ nodes: [addressOf(0), addressOf(1)] });
    await clock.advance(1_000);
    expect(await running).toEqual({
      ready: true,
      connectedPeers: [PEERS[0]],
      tookMs: 20,
      attempts: [
        {
          address: addressOf(1),
          source: "call",
          status: "failed",
          error: "connection refused",
          peerId: null,
          startedAtMs: clock.wallOffsetMs,
          tookMs: 5,
        },
        expect.objectContaining({ address: addressOf(0), status: "success", peerId: PEERS[0] }),
      ],
    });
  });

  it("takes peers of the registry that were good before, the best first, and leaves the others to it", async () => {
    known = async () => [
      knownPeer(PEERS[0] ?? "", "/ip4/127.0.0.1/tcp/1", 0.6),
      knownPeer(PEERS[1] ?? "", addressOf(1), 0.9),
      knownPeer(PEERS[2] ?? "", addressOf(2), 0.1),
      knownPeer(PEERS[3] ?? "", addressOf(1), null),
    ];
    const { run } = await openActor();
    const running = run();
    await clock.advance(1_000);
    expect((await running).attempts.map(({ address, source }) => [address, source])).toEqual([
      [addressOf(1), "cached"],
      [addressOf(0, 1), "cached"],
    ]);
  });

  it("goes on without a registry that fails", async () => {
    known = () => Promise.reject(fault("DEADLINE_EXCEEDED", { what: "list", timeoutMs: 500 }));
    const { run } = await openActor({ custom: [addressOf(0)] });
    const running = run();
    await clock.advance(1_000);
    expect((await running).attempts).toHaveLength(1);
  });

  it("fails with the fault of a network that does not answer, and stands as degraded", async () => {
    const { run, actor } = await openActor();
    network.down = fault("UNAVAILABLE", { what: "the peer network", why: "the test" });
    await expect(run()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await actor.view(undefined, fakeMessage())).toMatchObject({ state: "degraded" });
  });

  it("takes a dial that came too late for the network for a timeout", async () => {
    const { run } = await openActor();
    network.fates.set(addressOf(0), { kind: "hangs" });
    const running = run({ nodes: [addressOf(0)], timeoutMs: 60_000 });
    await clock.advance(LIMITS.bootstrap.dialMs);
    expect((await running).attempts).toMatchObject([{ status: "timeout" }]);
    expect(network.withdrawn).toEqual([addressOf(0)]);
  });

  it("ends with its caller, and withdraws its dials", async () => {
    network.fates.set(addressOf(0), { kind: "hangs" });
    const { run, actor } = await openActor();
    const caller = new AbortController();
    const running = run({ nodes: [addressOf(0)] }, fakeMessage({ signal: caller.signal }));
    await clock.advance(10);
    caller.abort(fault("CANCELLED", { what: "the caller" }));
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    expect(network.withdrawn).toEqual([addressOf(0)]);
    expect(await actor.history({ offset: 0, limit: 10 }, fakeMessage())).toEqual({ attempts: [], total: 0 });
  });

  it.each([
    ["an address without a peer id", { nodes: ["/ip4/127.0.0.1/tcp/4001"] }, "nodes[0]"],
    ["what is no address", { nodes: [addressOf(0), "seed.example.org"] }, "nodes[1]"],
    ["a port out of range", { nodes: [addressOf(0, 65_536)] }, "nodes[0]"],
    ["more nodes than 100", { nodes: Array<string>(101).fill(addressOf(0)) }, "nodes"],
    ["a minimum above the maximum", { connectionsMin: 11 }, "connectionsMin"],
    ["a maximum of none", { connectionsMax: 0, connectionsMin: 0 }, "connectionsMax"],
    ["a time of nothing", { timeoutMs: 0 }, "timeoutMs"],
    ["a time beyond an hour", { timeoutMs: 3_600_001 }, "timeoutMs"],
  ])("refuses %s", async (_what, order, argument) => {
    const { run } = await openActor();
    await expect(run(order)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument },
    });
    expect(network.dials).toEqual([]);
  });

  it("takes a name whose records tell the port, and the five public nodes, when the plan says so", async () => {
    const { run } = await openActor({ defaults: true, custom: [addressOf(3)] });
    const running = run();
    await clock.advance(10_000);
    const { attempts } = await running;
    expect(attempts.map(({ address, source }) => [address, source])).toEqual([
      [addressOf(3), "custom"],
      // The fifth has the id of this node in this test, and the fourth is at another address.
      ...PUBLIC_NODES.slice(0, 4).map((address) => [address, "default"]),
    ]);
    expect(PUBLIC_NODES).toHaveLength(5);
    expect(PUBLIC_ADDRESS_SERVICES).toHaveLength(5);
  });
});

describe("a plan", () => {
  it.each<[string, Partial<BootstrapPlan>, string]>([
    ["an address without a peer id", { custom: ["/ip4/127.0.0.1/tcp/1"] }, "custom[0]"],
    ["a STUN server with a path", { stunServers: ["stun://example.org"] }, "stunServers[0]"],
    ["a STUN server at port 0", { stunServers: ["example.org:0"] }, "stunServers[0]"],
    ["a service that is no URL", { ipServices: ["api.example.org"] }, "ipServices[0]"],
    ["a service that is a file", { ipServices: ["file:///etc/hosts"] }, "ipServices[0]"],
    ["a minimum that is no number", { connectionsMin: NaN }, "connectionsMin"],
    ["more STUN servers than 8", { stunServers: Array<string>(9).fill("example.org") }, "stunServers"],
    ["more services than 16", { ipServices: Array<string>(17).fill("http://example.org") }, "ipServices"],
  ])("is refused with %s", async (_what, plan, argument) => {
    await expect(openActor(plan)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", details: { argument } });
  });

  it("with a minimum looks for peers at once, and again when they are lost", async () => {
    network.fates.set(addressOf(0), { kind: "connects", afterMs: 20 });
    const { states, actor } = await openActor({ custom: [addressOf(0)], connectionsMin: 1 });
    await clock.advance(100);
    expect(states()).toEqual(["probing", "dialling", "ready"]);
    network.disconnect(PEERS[0] ?? "");
    await clock.advance(0);
    const view = await actor.view(undefined, fakeMessage());
    expect(view).toMatchObject({ state: "degraded", connections: 0, connectionsMin: 1 });
    expect(view.nextTryMs).toBeGreaterThan(400);
    expect(view.nextTryMs).toBeLessThanOrEqual(1_000);
    await clock.advance(1_500);
    expect(states()).toEqual(["probing", "dialling", "ready", "degraded", "probing", "dialling", "ready"]);
    expect(network.dials).toHaveLength(2);
  });

  it("without a minimum dials nobody by itself, and says that it is idle", async () => {
    const { actor } = await openActor({ custom: [addressOf(0)] });
    await clock.advance(1_000_000);
    expect(network.dials).toEqual([]);
    expect(await actor.view(undefined, fakeMessage())).toMatchObject({ state: "idle", nextTryMs: null });
    expect(await actor.status(undefined, fakeMessage())).toEqual({
      networking: "on",
      why: "nobody has asked for peers yet: 0 of at least 0",
    });
  });

  it("counts nobody as connected when the network restarts, until it has been asked", async () => {
    network.connect(PEERS[0] ?? "");
    const { states, actor } = await openActor({ connectionsMin: 1 });
    await clock.advance(10);
    expect(await actor.view(undefined, fakeMessage())).toMatchObject({ state: "ready", connections: 1 });
    network.restart();
    await clock.advance(10);
    expect(states().at(-1)).toBe("degraded");
    network.connect(PEERS[1] ?? "");
    await clock.advance(1_000);
    expect(await actor.view(undefined, fakeMessage())).toMatchObject({ state: "ready", connections: 1 });
    expect(network.followers).toBe(1);
  });

  it("takes a node that is added in the next run, by its priority", async () => {
    const { actor, run } = await openActor({ custom: [addressOf(0)] });
    await actor.addNode({ address: addressOf(1), priority: 0, timeoutMs: 1_000 }, fakeMessage());
    const running = run();
    await clock.advance(100);
    expect((await running).attempts.map(({ address }) => address)).toEqual([addressOf(1), addressOf(0)]);
    for (const wrong of [
      { address: "/ip4/127.0.0.1/tcp/1", priority: 1, timeoutMs: 1 },
      { address: addressOf(1), priority: 11, timeoutMs: 1 },
      { address: addressOf(1), priority: 1, timeoutMs: 0 },
    ])
      expect(() => actor.addNode(wrong, fakeMessage())).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
  });
});

describe("its end", () => {
  it("withdraws what is under way, rejects who waits, and leaves no timer", async () => {
    network.fates.set(addressOf(0), { kind: "hangs" });
    const { run, fake } = await openActor({ custom: [addressOf(0)], connectionsMin: 1 });
    const running = run();
    await clock.advance(10);
    const stopping = fake.stop();
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    await stopping;
    await clock.advance(0);
    expect(network.withdrawn).toContain(addressOf(0));
    expect(network.followers).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

it("forgets its history when it is told to", async () => {
  const { run, actor } = await openActor();
  const running = run({ nodes: [addressOf(0)] });
  await clock.advance(10);
  await running;
  expect(await actor.history({ offset: 0, limit: 1 }, fakeMessage())).toMatchObject({ total: 1 });
  expect(await actor.clearHistory(undefined, fakeMessage())).toEqual({ cleared: 1 });
  expect(await actor.history({ offset: 0, limit: 1 }, fakeMessage())).toEqual({ attempts: [], total: 0 });
});

it("answers null and unknown when its plan names no service and no server", async () => {
  const { actor } = await openActor();
  expect(await actor.publicAddress({ refresh: true }, fakeMessage())).toEqual({
    ipv4: null,
    ipv6: null,
    confirmed: false,
    learnedAtMs: null,
  });
  expect(await actor.natType({ refresh: true }, fakeMessage())).toMatchObject({
    natType: "unknown",
    mapped: null,
  });
});
