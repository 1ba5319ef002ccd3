import { multiaddr } from "@multiformats/multiaddr";
import { peerIdFromString } from "@libp2p/peer-id";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import {
  canonicalAddress,
  canonicalPeerId,
  checkAddress,
  checkPeerId,
  peerIdIn,
} from "../../src/peers/peer-names.ts";

const ED = "12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8";
const RSA = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN";

describe("the id of a peer", () => {
  it.each([ED, RSA])("%s is its own canonical text, and its CID in any base leads to it", (peerId) => {
    expect(checkPeerId("peerId", peerId)).toBe(peerId);
    const cid = peerIdFromString(peerId).toCID();
    expect(canonicalPeerId(cid.toString())).toBe(peerId);
  });

  it.each([
    ["nothing", ""],
    ["a word", "me"],
    ["another base", `z${ED}`],
    ["one character less", ED.slice(0, -1)],
    ["one character more", `${ED}1`],
    ["a character of no base", `${ED.slice(0, -1)}0`],
    ["an address", `/p2p/${ED}`],
    ["no text", 7],
    ["a long text", "1".repeat(LIMITS.peers.idChars + 1)],
  ])("%s is refused", (_, value) => {
    expect(() => checkPeerId("peerId", value)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error,
    );
  });
});

describe("an address", () => {
  it.each([
    [`/ip4/1.2.3.4/tcp/4001`],
    [`/ip4/1.2.3.4/tcp/4001/p2p/${ED}`],
    [`/ip6/::1/tcp/0`],
    [`/dns4/example.com/tcp/443/p2p/${RSA}`],
    [`/dnsaddr/bootstrap.libp2p.io/p2p/${RSA}`],
    [`/ip4/1.2.3.4/tcp/4001/p2p/${RSA}/p2p-circuit`],
    [`/ip4/1.2.3.4/tcp/4001/p2p/${RSA}/p2p-circuit/p2p/${ED}`],
  ])("%s is its own canonical text, as libp2p writes it", (text) => {
    expect(checkAddress("address", text)).toBe(text);
    expect(multiaddr(text).toString()).toBe(text);
  });

  it.each([
    [`/ip6/0:0:0:0:0:0:0:1/tcp/04001`, `/ip6/::1/tcp/4001`],
    [`/dns4/EXAMPLE.com/tcp/1/ipfs/${ED}`, `/dns4/example.com/tcp/1/p2p/${ED}`],
  ])("%s becomes %s", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each([
    ["no multiaddr", "1.2.3.4:4001"],
    ["nothing", ""],
    ["a slash", "/"],
    ["another transport", "/ip4/1.2.3.4/udp/4001/quic-v1"],
    ["more than TCP", "/ip4/1.2.3.4/tcp/4001/ws"],
    ["no port", "/ip4/1.2.3.4/tcp"],
    ["a port too high", "/ip4/1.2.3.4/tcp/65536"],
    ["a sloppy IPv4 address", "/ip4/127.1/tcp/1"],
    ["a zone", "/ip6/fe80::1%eth0/tcp/1"],
    ["a name that is none", "/dns4/-a.b/tcp/1"],
    ["a circuit without its relay", "/ip4/1.2.3.4/tcp/1/p2p-circuit"],
    ["two relays", `/ip4/1.2.3.4/tcp/1/p2p/${ED}/p2p-circuit/p2p/${RSA}/p2p-circuit`],
    ["a peer that is none", "/ip4/1.2.3.4/tcp/1/p2p/me"],
    ["a slash at the end", "/ip4/1.2.3.4/tcp/1/"],
    ["a part that every object has", "/constructor/x/tcp/1"],
    ["a long text", `/dns4/${"a".repeat(LIMITS.peers.multiaddrChars)}/tcp/1`],
  ])("%s is refused with one sentence", (_, text) => {
    expect(canonicalAddress(text)).toBeNull();
    expect(() => checkAddress("address", text)).toThrow(/^address is .*; allowed is a multiaddr of TCP: /);
  });

  it("names whom it leads to: the peer behind the relay, not the relay", () => {
    expect(peerIdIn(`/ip4/1.2.3.4/tcp/1/p2p/${ED}`)).toBe(ED);
    expect(peerIdIn("/ip4/1.2.3.4/tcp/1")).toBeNull();
    expect(peerIdIn(`/ip4/1.2.3.4/tcp/1/p2p/${ED}/p2p-circuit`)).toBeNull();
    expect(peerIdIn(`/ip4/1.2.3.4/tcp/1/p2p/${ED}/p2p-circuit/p2p/${RSA}`)).toBe(RSA);
  });

  const numRuns = Number(process.env["FUZZ_FRAMES"] ?? 2_000);
  it(`that is mutated is refused, or is one that libp2p takes, and canonical (${numRuns} runs)`, () => {
    const seeds = [
      `/ip4/1.2.3.4/tcp/4001/p2p/${ED}`,
      `/dns6/a.b/tcp/1/p2p/${RSA}/p2p-circuit/p2p/${ED}`,
      "/ip6/::1/tcp/1",
    ];
    const part = fc.constantFrom(
      "/",
      "ip4",
      "ip6",
      "tcp",
      "p2p",
      "0",
      "1.2.3.4",
      "::",
      ED,
      "p2p-circuit",
      "\0",
      "é",
      "%",
    );
    const cut = fc.tuple(fc.constantFrom(...seeds), fc.nat(200), fc.nat(20), part);
    fc.assert(
      fc.property(cut, ([seed, at, length, text]) => {
        const from = at % (seed.length + 1);
        const mutated = seed.slice(0, from) + text + seed.slice(from + length);
        const canonical = canonicalAddress(mutated);
        if (canonical === null) return;
        expect(canonicalAddress(canonical)).toBe(canonical);
        expect(multiaddr(canonical).toString()).toBe(canonical);
      }),
      { numRuns },
    );
  });
});
