import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PeerRecord } from "../../../src/peers/capability-record.ts";
import type { ConnectionInfo } from "../../../src/peers/network.protocol.ts";
import type { PeerQuery } from "../../../src/peers/peers.protocol.ts";
import type { Moment } from "../../../src/peers/registry/peer-entry.ts";
import { RegistryCore } from "../../../src/peers/registry/registry.core.ts";

const at = (wallMs: number): Moment => ({ nowMs: wallMs, wallMs });
const recordOf = (peerId: string, overrides: Partial<PeerRecord> = {}): PeerRecord => ({
  peerId,
  capabilities: [],
  addresses: [],
  sequence: 1,
  issuedAtMs: 0,
  expiresAtMs: 3_000_000,
  ...overrides,
});
const connectionTo = (peerId: string): ConnectionInfo => ({
  peerId,
  address: "/ip4/127.0.0.1/tcp/1",
  direction: "outbound",
  limited: false,
  sinceMs: 0,
  protocolVersion: null,
  agent: null,
  bytesSent: 0,
  bytesReceived: 0,
  requestsServed: 0,
});
const idsOf = (core: RegistryCore, query: Partial<PeerQuery> = {}, nowMs = 0): string[] =>
  core.list({ offset: 0, limit: 1_000, ...query }, at(nowMs)).peers.map(({ peerId }) => peerId);

describe("the core of the registry", () => {
  it("keeps the newest record of each peer, in whatever order and however often they come", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ peer: fc.constantFrom("a", "b", "c"), sequence: fc.integer({ min: 1, max: 5 }) }),
        ),
        (news) => {
          const core = new RegistryCore();
          const newest = new Map<string, number>();
          for (const { peer, sequence } of news) {
            const before = newest.get(peer) ?? 0;
            const taken = core.take(recordOf(peer, { sequence }), "gossip", at(0));
            expect(taken).toBe(sequence > before ? "newer" : sequence === before ? "known" : "older");
            newest.set(peer, Math.max(before, sequence));
          }
          for (const [peer, sequence] of newest) expect(core.get(peer)?.record?.sequence).toBe(sequence);
        },
      ),
    );
  });

  it("does not take an older record back when the newer one has expired, as long as the older one could hold", () => {
    const core = new RegistryCore();
    core.take(recordOf("a", { sequence: 2, expiresAtMs: 100 }), "gossip", at(0));
    core.sweep(at(200));
    expect(core.take(recordOf("a", { sequence: 1 }), "gossip", at(200))).toBe("older");
    expect(core.get("a")?.at(at(200))).toMatchObject({ verified: false, capabilities: [] });
  });

  it("has capabilities of a peer exactly until its record expires", () => {
    const core = new RegistryCore();
    core.take(recordOf("a", { capabilities: ["x", "y"], expiresAtMs: 100 }), "gossip", at(0));
    core.hint({ peerId: "b", addresses: ["/ip4/127.0.0.1/tcp/1"], source: "mdns" }, at(0));
    expect(idsOf(core, { capabilities: ["x", "y"] }, 99)).toEqual(["a"]);
    expect(idsOf(core, { capabilities: ["x", "z"] }, 99)).toEqual([]);
    expect(idsOf(core, { capabilities: ["x"] }, 100)).toEqual([]);
    expect(idsOf(core, {}, 100)).toHaveLength(2);
  });

  it("takes from hints canonical addresses of the peer only, the latest ones first, and no more than a peer may have", () => {
    const core = new RegistryCore();
    core.hint(
      { peerId: "a", addresses: ["nowhere", "/ip4/1.2.3.4/udp/1", "/ip6/::1/tcp/1"], source: "dht" },
      at(1),
    );
    expect(core.get("a")?.addresses).toEqual(["/ip6/::1/tcp/1"]);
    const many = Array.from({ length: 40 }, (_, port) => `/ip4/127.0.0.1/tcp/${port + 1}`);
    for (const [index, address] of many.entries())
      core.hint({ peerId: "a", addresses: [address], source: "dht" }, at(2 + index));
    expect(core.get("a")?.addresses).toEqual(many.slice(-16).toReversed());
  });

  it("lets the peer leave that was seen longest ago when there are too many, but none that is connected or persistent", () => {
    const core = new RegistryCore(4);
    core.connected(connectionTo("connected"), at(1));
    core.persist("persistent", [], at(2));
    core.hint({ peerId: "older", addresses: ["/ip4/127.0.0.1/tcp/1"], source: "mdns" }, at(4));
    core.hint({ peerId: "oldest", addresses: ["/ip4/127.0.0.1/tcp/1"], source: "mdns" }, at(3));
    core.hint({ peerId: "new", addresses: ["/ip4/127.0.0.1/tcp/1"], source: "mdns" }, at(5));
    expect(idsOf(core).toSorted()).toEqual(["connected", "new", "older", "persistent"]);
    expect(core.crowdedOut).toBe(1);
  });

  it.each(["last_seen", "latency", "bandwidth", "peer_id"] as const)(
    "has a total order by %s, so that pages neither repeat nor miss a peer",
    (sortBy) => {
      fc.assert(
        fc.property(
          fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 30 }),
          fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 30, maxLength: 30 }),
          fc.integer({ min: 1, max: 7 }),
          (ids, values, limit) => {
            const core = new RegistryCore();
            for (const [index, peerId] of ids.entries()) {
              core.take(recordOf(peerId, { issuedAtMs: values[index] ?? 0 }), "gossip", at(10));
              const figures = core.get(peerId)?.figures;
              if (values[index] !== 0) figures?.ponged(values[index] ?? 0, 10);
              if (values[index] !== 1) figures?.sampled(values[index] ?? 0, 10);
            }
            const whole = idsOf(core, { sortBy }, 10);
            const paged: string[] = [];
            for (let offset = 0; offset < ids.length; offset += limit)
              paged.push(...idsOf(core, { sortBy, offset, limit }, 10));
            expect(paged).toEqual(whole);
            expect(whole.toSorted()).toEqual(ids.toSorted());
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  it("puts last in an order whom it does not know that of", () => {
    const core = new RegistryCore();
    for (const [peerId, rttMs] of [
      ["slow", 9],
      ["quick", 1],
      ["unknown", null],
    ] as const) {
      core.take(recordOf(peerId), "gossip", at(0));
      if (rttMs !== null) core.get(peerId)?.figures.ponged(rttMs, 0);
      if (rttMs !== null) core.get(peerId)?.figures.sampled(rttMs, 0);
    }
    expect(idsOf(core, { sortBy: "latency" })).toEqual(["quick", "slow", "unknown"]);
    expect(idsOf(core, { sortBy: "bandwidth" })).toEqual(["slow", "quick", "unknown"]);
  });

  it("says of each peer whether it is connected, being connected, or neither", () => {
    const core = new RegistryCore();
    core.addressed("a", ["/ip4/127.0.0.1/tcp/1"], at(0)).isDialled = true;
    core.connected(connectionTo("b"), at(0));
    core.addressed("c", ["/ip4/127.0.0.1/tcp/1"], at(0));
    for (const [status, peerId] of [
      ["connecting", "a"],
      ["connected", "b"],
      ["disconnected", "c"],
    ] as const)
      expect(idsOf(core, { status })).toEqual([peerId]);
    expect([core.forget("a"), core.forget("b"), core.forget("c")]).toEqual([false, false, true]);
  });
});
