import { afterEach, describe, expect, it } from "vitest";
import type { HandlersOf } from "../../../src/actor/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { bootstrapBehaviourOver } from "../../../src/peers/bootstrap/bootstrap.behaviour.ts";
import type { BootstrapServices } from "../../../src/peers/bootstrap/open-bootstrap.ts";
import { Remembered } from "../../../src/peers/nat/remembered.ts";
import { Bootstrap, type BootstrapPlan, type PublicAddress } from "../../../src/peers/peers.protocol.ts";
import { systemClock, type Clock } from "../../../src/scope/index.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../../kit/actor-context.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { NetworkScript, PEERS, registryOf } from "../bootstrap/network-script.ts";
import { says, serve } from "./answering-service.ts";
import { FakeStunServer } from "./fake-stun-server.ts";
import { StandInGateway } from "./stand-in-gateway.ts";
import { StandInUpnp } from "./stand-in-upnp.ts";

type Members = typeof Bootstrap.members;

const NO_PLAN: BootstrapPlan = {
  custom: [],
  defaults: false,
  connectionsMin: 0,
  stunServers: [],
  ipServices: [],
  portMapping: false,
};
const V4 = "8.8.4.4";
const open: FakeActor<Members>[] = [];
const message = fakeMessage();

afterEach(async () => {
  for (const fake of open.splice(0)) await fake.stop();
});

async function openActor(
  clock: Clock,
  plan: Partial<BootstrapPlan>,
  services: BootstrapServices = {},
): Promise<{ actor: HandlersOf<Members>; network: NetworkScript; fake: FakeActor<Members> }> {
  const network = new NetworkScript(clock);
  network.figures = { ...network.figures, addresses: [`/ip4/127.0.0.1/tcp/4001/p2p/${PEERS[4]}`] };
  const refs = { network: network.ref, "peer-registry": registryOf(async () => []) };
  const fake = fakeActor(Bootstrap, { clock: clock as ManualClock, refs });
  const actor = await bootstrapBehaviourOver(services).setup(fake.context, {
    bootstrap: { ...NO_PLAN, ...plan },
  });
  open.push(fake);
  return { actor, network, fake };
}

/** What is to come true, within five seconds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error("it did not come true");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The time of a test, with the timers of the machine: what waits for sockets is served. */
class ShiftedClock implements Clock {
  shiftMs = 0;
  now(): number {
    return systemClock.now() + this.shiftMs;
  }
  wallNow(): number {
    return systemClock.wallNow() + this.shiftMs;
  }
  at(atMs: number, run: () => void): ReturnType<Clock["at"]> {
    return systemClock.at(atMs - this.shiftMs, run);
  }
}

describe("the public address of a node", () => {
  const ask = async (actor: HandlersOf<Members>, refresh: boolean): Promise<PublicAddress> =>
    actor.publicAddress({ refresh }, message);

  it("is learned at the start, remembered for an hour, and asked for again by choice", async () => {
    await using one = await serve(says(V4));
    await using other = await serve(says(V4));
    const clock = new ShiftedClock();
    const { actor } = await openActor(clock, { ipServices: [one.url, other.url] });
    const first = await ask(actor, false);
    expect(first).toMatchObject({ ipv4: V4, ipv6: null, confirmed: true });
    expect((await actor.view(undefined, message)).publicAddress).toEqual(first);
    expect(await ask(actor, false)).toEqual(first);
    expect(one.asked()).toBe(1);
    await ask(actor, true);
    expect(one.asked()).toBe(2);
    clock.shiftMs = LIMITS.bootstrap.ipCacheMs - 1_000;
    await ask(actor, false);
    expect(one.asked()).toBe(2);
    clock.shiftMs = LIMITS.bootstrap.ipCacheMs + 5_000;
    expect((await actor.view(undefined, message)).publicAddress.ipv4).toBeNull();
    await ask(actor, false);
    expect(one.asked()).toBe(3);
  });

  it("that nobody could tell is null, and is asked for again by the next who wants it", async () => {
    await using silent = await serve(says("no address"));
    const { actor } = await openActor(systemClock, { ipServices: [silent.url] });
    const nothing = { ipv4: null, ipv6: null, confirmed: false, learnedAtMs: null };
    expect(await ask(actor, false)).toEqual(nothing);
    expect(await ask(actor, false)).toEqual(nothing);
    expect(silent.asked()).toBe(2);
  });

  it("is asked for anew when own addresses have changed", async () => {
    await using one = await serve(says(V4));
    await using other = await serve(says(V4));
    const { actor, network } = await openActor(systemClock, { ipServices: [one.url, other.url] });
    await ask(actor, false);
    await until(() => network.followers === 1);
    network.readdress([]);
    await until(() => one.asked() === 2);
    expect(await ask(actor, false)).toMatchObject({ ipv4: V4 });
  });

  it("is not learned from a service of this machine, unless a test says that it may be", async () => {
    await using one = await serve(says("127.0.0.1"));
    await using other = await serve(says("127.0.0.1"));
    const plan = { ipServices: [one.url, other.url] };
    expect(await ask((await openActor(systemClock, plan)).actor, false)).toMatchObject({ ipv4: null });
    const { actor } = await openActor(systemClock, plan, { accepts: () => true });
    expect(await ask(actor, false)).toMatchObject({ ipv4: "127.0.0.1" });
  });
});

it("the kind of NAT is learned at the start, remembered, and asked for again by choice", async () => {
  using server = await FakeStunServer.open({ mapping: "independent", filtering: "all" });
  const { port } = server.endpoint;
  const { actor } = await openActor(systemClock, { stunServers: [`127.0.0.1:${port}`] });
  const found = await actor.natType({ refresh: false }, message);
  expect(found).toMatchObject({
    natType: "full_cone",
    mapped: expect.stringMatching(/^203\.0\.113\.5:/) as string,
  });
  expect((await actor.view(undefined, message)).natType).toBe("full_cone");
  const { requests } = server;
  expect(await actor.natType({ refresh: false }, message)).toEqual(found);
  expect(server.requests).toBe(requests);
  await actor.natType({ refresh: true }, message);
  expect(server.requests).toBeGreaterThan(requests);
});

it("a STUN server whose name leads nowhere leaves the kind of NAT unknown", async () => {
  const { actor } = await openActor(systemClock, { stunServers: ["no-such-host.invalid:3478"] });
  expect(await actor.natType({ refresh: false }, message)).toMatchObject({
    natType: "unknown",
    mapped: null,
  });
});

describe("the port of a gateway", () => {
  const mapped = async (actor: HandlersOf<Members>): Promise<string | null> =>
    (await actor.view(undefined, message)).mappedAddress;

  it("is told as an address of this node, and given back when the actor stops", async () => {
    await using stand = await StandInGateway.open({ speaks: "pcp", gives: 40_001 });
    const gateway = { address: "127.0.0.1", port: stand.port };
    const { actor, network, fake } = await openActor(systemClock, { portMapping: true }, { gateway });
    await until(async () => (await mapped(actor)) !== null);
    expect(await mapped(actor)).toBe(`/ip4/8.8.4.4/tcp/40001/p2p/${PEERS[4]}`);
    await until(() => network.announced.at(-1)?.[0] === `/ip4/8.8.4.4/tcp/40001/p2p/${PEERS[4]}`);
    expect([...stand.given]).toEqual([[40_001, 4_001]]);
    await fake.stop();
    expect(stand.given.size).toBe(0);
  });

  it("comes from UPnP where the gateway speaks nothing else", async () => {
    await using upnp = await StandInUpnp.open();
    const { actor, fake } = await openActor(
      systemClock,
      { portMapping: true },
      { gateway: null, upnpSearch: upnp.place },
    );
    await until(async () => (await mapped(actor)) !== null);
    expect(await mapped(actor)).toBe(`/ip4/8.8.4.4/tcp/4001/p2p/${PEERS[4]}`);
    await fake.stop();
    expect(upnp.given.size).toBe(0);
  });

  it("is null where no gateway is, and asking for it ends with the actor", async () => {
    const services = { gateway: null, upnpSearch: { address: "127.0.0.1", port: 9 } };
    const { actor, fake } = await openActor(systemClock, { portMapping: true }, services);
    expect(await mapped(actor)).toBeNull();
    const startMs = performance.now();
    await fake.stop();
    expect(performance.now() - startMs).toBeLessThan(1_500);
  });
});

describe("what is remembered", () => {
  it("is asked for once however many wait, and a failure is not kept", async () => {
    let asked = 0;
    let isKept = false;
    const remembered = new Remembered(manualClock(), 1_000, async () => ({ value: ++asked, isKept }));
    expect(await Promise.all([remembered.ask(false), remembered.ask(true), remembered.ask(false)])).toEqual([
      1, 1, 1,
    ]);
    expect(remembered.latest).toBeUndefined();
    isKept = true;
    expect(await remembered.ask(false)).toBe(2);
    expect(await remembered.ask(false)).toBe(2);
    expect(await remembered.ask(true)).toBe(3);
    remembered.forget();
    expect(await remembered.ask(false)).toBe(4);
  });
});
