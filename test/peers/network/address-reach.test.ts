import { describe, expect, it } from "vitest";
import { dialable, objectionTo, reachOf } from "../../../src/peers/network/address-reach.ts";

describe("an IP address", () => {
  it.each([
    ["127.0.0.1", "machine"],
    ["127.255.255.255", "machine"],
    ["0.0.0.0", "machine"],
    ["::1", "machine"],
    ["::", "machine"],
    ["::ffff:127.0.0.1", "machine"],
    ["::ffff:7f00:1", "machine"],
    ["64:ff9b::127.0.0.1", "machine"],
    ["10.0.0.1", "lan"],
    ["172.31.255.255", "lan"],
    ["192.168.0.1", "lan"],
    ["100.64.0.1", "lan"],
    ["169.254.169.254", "lan"],
    ["fe80::1", "lan"],
    ["fd00::1", "lan"],
    ["::ffff:10.0.0.1", "lan"],
    ["8.8.8.8", "internet"],
    ["172.32.0.1", "internet"],
    ["100.128.0.1", "internet"],
    ["2606:4700::1", "internet"],
    ["::ffff:8.8.8.8", "internet"],
  ])("%s is one of %s", (ip, reach) => {
    expect(reachOf(ip)).toBe(reach);
  });
});

describe("a dial", () => {
  const signal = new AbortController().signal;

  it("leads to what is within reach, and tells why not to the rest", async () => {
    const addresses = ["/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/1"];
    const found = await dialable(addresses, ["internet", "lan"], signal);
    expect(found.addresses).toEqual(addresses.slice(0, 2));
    expect(found.refused.map(({ message }) => message)).toEqual([
      "/ip6/::1/tcp/1 may not be used: it is an address of this machine, and this node dials the internet and a private network",
    ]);
  });

  it("of a name leads to its addresses, so that what was checked is what is dialled", async () => {
    const found = await dialable(["/dns4/localhost/tcp/4001"], ["machine"], signal);
    expect(found.addresses).toEqual(["/ip4/127.0.0.1/tcp/4001"]);
    const relayed = await dialable(["/dns4/localhost/tcp/1/p2p/R/p2p-circuit/p2p/T"], ["machine"], signal);
    expect(relayed.addresses).toEqual(["/ip4/127.0.0.1/tcp/1/p2p/R/p2p-circuit/p2p/T"]);
  });

  it("of a name that has not been resolved is refused, whatever is within reach", () => {
    const all = ["machine", "lan", "internet"] as const;
    expect(objectionTo("/dns4/localhost/tcp/1", all)).toBe("its name has not been resolved");
    expect(objectionTo("/ip4/1.2.3.4/tcp/1", [])).toContain("this node dials nobody");
  });
});
