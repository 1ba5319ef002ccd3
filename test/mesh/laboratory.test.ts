import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ConnectionInfo } from "../../src/peers/network.protocol.ts";
import type { BootstrapView, KnownPeer, NatType } from "../../src/peers/peers.protocol.ts";
import type { NetworkOptions } from "../../src/system/index.ts";
import { coturnArguments, coturnDirectory, coturnMissing } from "../peers/kit/coturn.ts";
import { laboratoryMissing, skipNote, type GatewayKind } from "../peers/kit/nat-laboratory.ts";
import { MESH_TASKS, engage, meshDirectory, until } from "./kit/mesh.ts";
import { addressWith, isFree, nodeOn, openLaboratory, outletOf } from "./kit/mesh-laboratory.ts";

/** Whole nodes on hosts of networks that the test makes: what no node on loopback meets. */

const missing = laboratoryMissing();
const noCoturn = missing ?? coturnMissing();

describe.skipIf(missing !== null)(`nodes of one link${skipNote(missing)}`, { timeout: 60_000 }, () => {
  it("find each other by mDNS alone, and a task of one runs on the other after a grant", async () => {
    const laboratory = await openLaboratory();
    const directory = meshDirectory();
    const network: NetworkOptions = { reach: ["lan"], discover: { mdns: true } };
    const hosts = await Promise.all([laboratory.privateHost("a", 2), laboratory.privateHost("b", 3)]);
    // Whoever comes second asks, and is answered at once; the first one asks again after ten seconds.
    const worker = await nodeOn(hosts[1], directory, { network, tasks: [MESH_TASKS] });
    const asker = await nodeOn(hosts[0], directory, { network });
    const [found] = await until(
      "the other one",
      async () => (await asker.ask<{ peers: KnownPeer[] }>("peers.discover", { timeoutMs: 2_000 })).peers,
      (peers) => peers.some(({ verified }) => verified),
    );
    expect(found).toMatchObject({ peerId: worker.peerId, status: "connected", verified: true });
    expect(found?.sources.toSorted()).toEqual(["connection", "mdns"]);
    expect(found?.addresses.join()).toContain("/ip4/10.0.0.3/tcp/");
    const { token } = await worker.ask<{ token: string }>("peers.allow", asker.peerId, {
      actions: ["where"],
    });
    await asker.ask("peers.use", token);
    await until("the way there", () => outletOf(asker, worker.peerId), isFree);
    expect(await asker.ask("tasks.run", { action: "where", input: {} })).toEqual({ pid: worker.pid });
  });
});

describe.skipIf(missing !== null)(`nodes behind two NATs${skipNote(missing)}`, { timeout: 60_000 }, () => {
  it("reach each other through a public relay, which carries a task whose input is longer than 128 KiB", async () => {
    const laboratory = await openLaboratory();
    const directory = meshDirectory();
    const reach = ["internet"] as const;
    const [open, left, right] = await Promise.all([
      laboratory.publicHost("relay", 10),
      laboratory.hostBehind("port_restricted_cone", "left", 20),
      laboratory.hostBehind("symmetric", "right", 21),
    ]);
    const relay = await nodeOn(open, directory, { network: { reach, nat: { relayServer: true } } });
    const relays = [await addressWith(relay, `/ip4/${open.address}/`)];
    const [asker, worker] = await Promise.all([
      nodeOn(left, directory, { network: { reach, nat: { relays } } }),
      nodeOn(right, directory, { network: { reach, nat: { relays } }, tasks: [MESH_TASKS] }),
    ]);
    const through = await addressWith(worker, "/p2p-circuit/");
    expect(through).toBe(`${relays[0]}/p2p-circuit/p2p/${worker.peerId}`);
    await engage(asker, worker, ["length"], through);
    for (const [from, to] of [
      [asker, worker],
      [worker, asker],
    ] as const) {
      const { connections } = await from.ask<{ connections: ConnectionInfo[] }>(
        "actors.network.call.connections",
      );
      const there = connections.find(({ peerId }) => peerId === to.peerId);
      expect(there).toMatchObject({ limited: true });
      expect(there?.address).toContain("/p2p-circuit");
      expect(connections.find(({ peerId }) => peerId === relay.peerId)).toMatchObject({ limited: false });
    }
    const text = "0123456789".repeat(40_000);
    expect(await asker.ask("tasks.run", { action: "length", input: { text } })).toBe(text.length);
    const counted = () => outletOf(asker, worker.peerId);
    await until("what it has done", counted, (outlet) => outlet?.completed === 1 && outlet.returned === 0);
  });
});

describe.skipIf(noCoturn !== null)(
  `a node that is told of a STUN server${skipNote(noCoturn)}`,
  { timeout: 60_000 },
  () => {
    it("tells truly which kind of NAT is before it", async () => {
      const laboratory = await openLaboratory();
      const directory = meshDirectory();
      using files = coturnDirectory();
      const place = {
        addresses: ["203.0.113.10", "203.0.113.11"],
        port: 3_478,
        otherPort: 3_479,
      } as const;
      const stun = place.addresses.map((address) => `${address}:${place.port}`);
      laboratory.start(
        await laboratory.publicHost("stun", 10, 11),
        "turnserver",
        coturnArguments(place, files.path),
      );
      const kinds: readonly (readonly [GatewayKind, NatType])[] = [
        ["port_restricted_cone", "port_restricted_cone"],
        ["symmetric", "symmetric"],
      ];
      const hosts = await Promise.all([
        laboratory.publicHost("open", 9),
        ...kinds.map(([kind], index) => laboratory.hostBehind(kind, `nat${index}`, 20 + index)),
      ]);
      const [open] = hosts;
      if (open === undefined) throw new Error("there is no host in public");
      const probe = async (): Promise<{ natType: NatType }> =>
        JSON.parse(await laboratory.run(open, process.execPath, [PROBE, ...stun])) as { natType: NatType };
      await until("an answer of the server", probe, ({ natType }) => natType === "open");
      const told = await Promise.all(
        hosts.map(async (host) => {
          const node = await nodeOn(host, directory, { network: { reach: ["internet"], nat: { stun } } });
          const reach = () => node.ask<BootstrapView>("peers.reach");
          return (await until("the kind", reach, ({ natType }) => natType !== "unknown")).natType;
        }),
      );
      expect(told).toEqual(["open", ...kinds.map(([, natType]) => natType)]);
    });
  },
);

const PROBE = join(import.meta.dirname, "../peers/nat/probe.process.ts");
