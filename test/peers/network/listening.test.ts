import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { KeptPorts } from "../../../src/peers/network.protocol.ts";
import { dialled, message, openNode } from "./node-kit.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

it.skipIf(!hasIpv6)(
  `two nodes connect over IPv6${hasIpv6 ? "" : " (skipped: this machine has no ::1)"}`,
  async () => {
    const listen = ["/ip6/::1/tcp/0"];
    await using one = await openNode({ listen });
    await using other = await openNode({ listen });
    expect(other.address).toMatch(/^\/ip6\/::1\/tcp\/\d+\/p2p\//);
    const info = await dialled(one, other);
    expect(info).toMatchObject({ peerId: other.peerId, address: other.address, limited: false });
    const { rttMs } = await one.call.ping({ peerId: other.peerId }, message());
    expect(rttMs).toBeGreaterThan(0);
  },
);

describe("a node that listens on any free port", () => {
  it("is at the same one in its next life", async () => {
    const shared = KeptPorts.create();
    const first = await openNode({}, { shared });
    const [place] = first.address.split("/p2p/");
    await first[Symbol.asyncDispose]();
    await using next = await openNode({}, { shared });
    expect(next.address.split("/p2p/")[0]).toBe(place);
  });

  it("gets another one when somebody has taken it meanwhile", async () => {
    const shared = KeptPorts.create();
    const first = await openNode({}, { shared });
    const [place = ""] = first.address.split("/p2p/");
    await first[Symbol.asyncDispose]();
    await using thief = await openNode({ listen: [place] });
    await using next = await openNode({}, { shared });
    expect(thief.address.split("/p2p/")[0]).toBe(place);
    expect(next.address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//);
    expect(next.logged.join()).toContain("the node gets another port than before");
  });

  it("keeps the port of each address that it listens on, and leaves those alone that name one", () => {
    const shared = KeptPorts.create();
    const listen = [
      "/ip4/127.0.0.1/tcp/0",
      "/ip4/127.0.0.1/tcp/4001",
      "/ip6/::/tcp/0",
      "/ip4/127.0.0.1/tcp/0",
    ];
    expect(new KeptPorts(shared).again(listen)).toBeNull();
    const addresses = [
      "/ip6/fe80::1/tcp/30",
      "/ip4/127.0.0.1/tcp/10",
      "/ip4/203.0.113.1/tcp/4001/p2p/x/p2p-circuit",
      "/ip4/127.0.0.1/tcp/20",
    ];
    new KeptPorts(shared).keep(listen, addresses);
    expect(new KeptPorts(shared).again(listen)).toEqual([
      "/ip4/127.0.0.1/tcp/10",
      "/ip4/127.0.0.1/tcp/4001",
      "/ip6/::/tcp/30",
      "/ip4/127.0.0.1/tcp/20",
    ]);
  });
});
