import { describe, expect, it } from "vitest";
import { LIMITS, fault } from "../../src/errors/index.ts";
import type { KnownPeer } from "../../src/peers/peers.protocol.ts";
import type { Grant, Outlet } from "../../src/remote/remote.protocol.ts";
import type { PeerDoor, System } from "../../src/system/index.ts";
import { TOOLSETS, inputSchemaOf } from "../../src/tools/index.ts";
import { callOf, toolNamed } from "./kit/call.ts";

/** A system of whose doors only that to peers is there. */
const withPeers =
  (peers: Partial<Record<keyof PeerDoor, (...args: never[]) => unknown>>) => async (): Promise<System> =>
    ({ peers }) as unknown as System;

const off = async (): Promise<never> => {
  throw fault("UNAVAILABLE", { what: "the peer network", why: "networking is off" });
};
const open = withPeers({
  discover: off,
  connect: off,
  disconnect: off,
  list: off,
  get: off,
  bootstrap: off,
  allow: off,
  revoke: off,
  grants: off,
  refusals: off,
  use: off,
  drop: off,
  outlets: off,
  node: off,
  reach: off,
});
const call = (name: string, args: unknown): Promise<Record<string, unknown>> => callOf(name, args, open);

const PEER: KnownPeer = {
  peerId: "12D3KooWPeer",
  addresses: ["/ip4/192.0.2.7/tcp/4001", "/ip4/192.0.2.8/tcp/4001"],
  status: "connected",
  capabilities: ["resize"],
  verified: true,
  sources: ["gossip"],
  lastSeenMs: 1_000,
  expiresAtMs: 2_000,
  connectedSinceMs: 500,
  persistent: true,
  protocolVersion: "ipfs/0.1.0",
  agent: "mcplusplus/0.1.0",
  figures: {
    latencyMs: 1.5,
    bandwidthMbps: null,
    lossPercent: 0,
    quality: 0.9,
    reliability: 1,
    uptimeHours: 0.25,
    requestsServed: 7,
    bytesTransferred: 900,
  },
};

/** What each is called with, what its failure repeats, and what it leaves of its answer. */
const CALLS: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
  ["peer_discover", {}, { peers: [], discovered_count: 0, search_time: 0 }],
  [
    "peer_connect",
    { peer_id: "p", multiaddr: "/ip4/1.2.3.4/tcp/1" },
    { peer_id: "p", multiaddr: "/ip4/1.2.3.4/tcp/1", attempts: 0 },
  ],
  ["peer_disconnect", { peer_id: "p" }, { peer_id: "p" }],
  ["peer_list", {}, { peers: [], total_count: 0, returned_count: 0, has_more: false }],
  ["peer_metrics", { peer_id: "p" }, { peer_id: "p" }],
  [
    "bootstrap_network",
    {},
    { connected_count: 0, failed_count: 0, connected_peers: [], network_ready: false, bootstrap_time: 0 },
  ],
];

describe("the tools of peers", () => {
  it("are six", () => {
    expect(TOOLSETS.peers.map(({ name }) => name)).toEqual(CALLS.map(([name]) => name));
  });

  it.each(CALLS)(
    "%s says that networking is off, what follows from that, and nothing that is not so",
    async (name, args, rest) => {
      expect(await call(name, args)).toEqual({
        success: false,
        error: expect.stringContaining("the peer network is unavailable: networking is off") as string,
        code: "UNAVAILABLE",
        retryable: true,
        degraded_mode: true,
        message: expect.stringContaining("--network, or the option network, turns networking on") as string,
        ...rest,
      });
    },
  );

  it.each([
    ["peer_discover", { max_peers: 10, timeout: 30, include_metrics: false }],
    ["peer_connect", { timeout: 30, retry_count: 3, persist: true }],
    ["peer_disconnect", { graceful: true }],
    ["peer_list", { sort_by: "last_seen", limit: 100, offset: 0 }],
    ["peer_metrics", { include_history: false, history_hours: 24 }],
    ["bootstrap_network", { timeout: 60, min_connections: 3, max_connections: 10 }],
  ])("%s tells its defaults", (name, defaults) => {
    const { properties } = inputSchemaOf(toolNamed(name)) as {
      properties: Record<string, { default?: unknown }>;
    };
    const told = Object.entries(properties).filter(([, schema]) => "default" in schema);
    expect(Object.fromEntries(told.map(([key, schema]) => [key, schema.default]))).toEqual(defaults);
  });

  it.each([
    ["peer_discover", { max_peers: 0 }, "max_peers is 0"],
    [
      "peer_discover",
      { max_peers: LIMITS.peers.discovered + 1 },
      "max_peers is 1001; allowed is at most 1000",
    ],
    ["peer_discover", { timeout: 0 }, "timeout is 0; allowed is more than 0"],
    ["peer_discover", { capability_filter: [""] }, "capability_filter[0]"],
    ["peer_connect", { peer_id: "p" }, "multiaddr is missing"],
    ["peer_connect", { peer_id: "", multiaddr: "/a" }, 'peer_id is ""'],
    ["peer_connect", { peer_id: "p", multiaddr: "/a", retry_count: -1 }, "retry_count is -1"],
    ["peer_disconnect", {}, "peer_id is missing"],
    ["peer_list", { sort_by: "age" }, 'sort_by is "age"; allowed is one of "last_seen", "latency"'],
    ["peer_list", { status_filter: "gone" }, "status_filter"],
    ["peer_list", { limit: 1_001 }, "limit is 1001"],
    ["peer_metrics", { peer_id: "p", history_hours: 169 }, "history_hours is 169"],
    [
      "bootstrap_network",
      { min_connections: 5, max_connections: 4 },
      "min_connections is above max_connections",
    ],
    ["bootstrap_network", { bootstrap_nodes: [] }, "bootstrap_nodes"],
    ["bootstrap_network", { nodes: [] }, 'unknown key "nodes"'],
  ])("%s refuses %j before it looks for a network", async (name, args, sentence) => {
    const answer = await call(name, args);
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toContain(sentence);
    expect(answer).not.toHaveProperty("degraded_mode");
  });

  it.each([
    ["peer_discover", { timeout: 7 }, 7_000],
    ["peer_connect", { timeout: 7, retry_count: 2 }, 14_000],
    ["peer_connect", { timeout: 7, retry_count: 0 }, 7_000],
    ["bootstrap_network", { timeout: 7 }, 7_000],
  ])("%s with %j has the time that its arguments say", (name, args, waitsMs) => {
    expect(toolNamed(name).waitsMs?.(args)).toBe(waitsMs);
  });

  it("peer_discover hands on what it was asked, and how each source went", async () => {
    const asked: unknown[] = [];
    const answer = await callOf(
      "peer_discover",
      { capability_filter: ["resize"], max_peers: 2, timeout: 3, include_metrics: true },
      withPeers({
        discover: async (options: object) => {
          asked.push(options);
          const sources = [{ source: "mdns", found: 1, failure: null, tookMs: 4 }];
          return { peers: [PEER], sources, tookMs: 1_250 };
        },
      }),
    );
    expect(asked).toEqual([
      { capabilities: ["resize"], max: 2, timeoutMs: 3_000, signal: expect.any(AbortSignal) as AbortSignal },
    ]);
    expect(answer).toEqual({
      success: true,
      peers: [
        {
          peer_id: PEER.peerId,
          multiaddr: "/ip4/192.0.2.7/tcp/4001",
          status: "connected",
          capabilities: ["resize"],
          verified: true,
          connected_since: "1970-01-01T00:00:00.500Z",
          last_seen: "1970-01-01T00:00:01.000Z",
          metrics: { latency_ms: 1.5, bandwidth_mbps: null, reliability_score: 1, uptime_hours: 0.25 },
        },
      ],
      discovered_count: 1,
      search_time: 1.25,
      capability_filter: ["resize"],
      max_peers: 2,
      sources: [{ source: "mdns", found: 1, failure: null }],
    });
  });

  it("peer_connect tells at which attempt it succeeded, and tries once where no retries are asked for", async () => {
    const asked: unknown[] = [];
    const connect = async (...args: unknown[]): Promise<unknown> => {
      asked.push(args);
      return { connectionId: "0011223344556677", attempts: 1, tookMs: 40, peer: PEER };
    };
    const args = { peer_id: PEER.peerId, multiaddr: "/ip4/192.0.2.7/tcp/4001", retry_count: 0, timeout: 2 };
    expect(await callOf("peer_connect", args, withPeers({ connect }))).toEqual({
      success: true,
      peer_id: PEER.peerId,
      multiaddr: args.multiaddr,
      connection_id: "0011223344556677",
      connection_time: 0.04,
      protocol_version: "ipfs/0.1.0",
      peer_capabilities: ["resize"],
      persist: true,
      attempts: 1,
    });
    expect(asked).toEqual([
      [
        PEER.peerId,
        args.multiaddr,
        expect.objectContaining({ attempts: 1, attemptMs: 2_000, persist: true }),
      ],
    ]);
  });

  it("peer_list says whether there are more, and by what it chose", async () => {
    const list = async (): Promise<unknown> => ({ peers: [PEER], total: 3 });
    expect(await callOf("peer_list", { limit: 1, offset: 1 }, withPeers({ list }))).toMatchObject({
      success: true,
      total_count: 3,
      returned_count: 1,
      has_more: true,
      filters: { status: null, capabilities: null, sort_by: "last_seen" },
    });
  });

  it("peer_metrics leaves null what was not measured, and adds hours only when asked", async () => {
    const history = async (): Promise<unknown> => [{ ...PEER.figures, atMs: 3_600_000 }];
    const peers = withPeers({ get: async () => PEER, history });
    const answer = await callOf("peer_metrics", { peer_id: PEER.peerId }, peers);
    expect(answer).toMatchObject({
      current_metrics: { latency_ms: 1.5, bandwidth_mbps: null, requests_served: 7 },
    });
    expect(answer).not.toHaveProperty("history");
    const more = await callOf("peer_metrics", { peer_id: PEER.peerId, include_history: true }, peers);
    expect(more).toMatchObject({
      history_hours: 24,
      history: [{ timestamp: "1970-01-01T01:00:00.000Z", packet_loss_percent: 0 }],
    });
  });

  it("bootstrap_network fails with the first reason when too few connections are up", async () => {
    const attempts = [
      {
        address: "/ip4/192.0.2.9/tcp/4001/p2p/12D3KooWOther",
        source: "call",
        status: "failed",
        error: "nobody listens there",
        peerId: null,
        startedAtMs: 0,
        tookMs: 5,
      },
    ];
    const bootstrap = async (): Promise<unknown> => ({
      ready: false,
      attempts,
      connectedPeers: [],
      tookMs: 9,
    });
    expect(await callOf("bootstrap_network", { min_connections: 1 }, withPeers({ bootstrap }))).toMatchObject(
      {
        success: false,
        code: "PEER_UNREACHABLE",
        error: expect.stringContaining("0 of 1 connections are up; nobody listens there") as string,
      },
    );
  });
});

const GRANT: Grant = {
  grantId: "g1",
  peerId: PEER.peerId,
  actions: ["resize"],
  tools: [],
  concurrency: 4,
  perMinute: 600,
  bytesMax: 1_000,
  issuedAtMs: 0,
  expiresAtMs: 1_000,
  revokedAtMs: null,
  running: 1,
  started: 2,
  refused: { action: 3 },
};
const OUTLET: Outlet = {
  peerId: PEER.peerId,
  actions: ["resize"],
  tools: [],
  concurrency: 4,
  expiresAtMs: 1_000,
  connected: true,
  running: 0,
  completed: 5,
  failed: 0,
  returned: 1,
  held: null,
};

describe("the tools about what peers may do", () => {
  it.each([
    ["node_status", {}],
    ["peer_allow", { peer_id: "p", actions: ["a"] }],
    ["peer_revoke", { peer_id: "p" }],
    ["peer_grants", {}],
    ["peer_use", { token: "t" }],
    ["peer_drop", { peer_id: "p" }],
    ["peer_outlets", {}],
  ])("%s says that networking is off", async (name, args) => {
    expect(await call(name, args)).toMatchObject({
      success: false,
      code: "UNAVAILABLE",
      degraded_mode: true,
    });
  });

  it("node_status tells when it looks for peers again as a time to come", async () => {
    const view = { state: "degraded", natType: "unknown", publicAddress: { ipv4: null, ipv6: null } };
    const peers = withPeers({
      node: async () => ({ peerId: "p", addresses: [], connections: 0, serving: 0, refused: {} }),
      reach: async () => ({ ...view, mappedAddress: null, nextTryMs: 60_000 }),
    });
    const before = Date.now();
    const { next_try: next } = await callOf("node_status", {}, peers);
    expect(Date.parse(String(next))).toBeGreaterThanOrEqual(before + 60_000);
    expect(Date.parse(String(next))).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  it("peer_allow refuses a grant of nothing", async () => {
    const answer = await call("peer_allow", { peer_id: "p" });
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toContain("at least one of actions and tools is needed");
  });

  it("peer_allow hands on the terms, and answers with the token", async () => {
    const asked: unknown[] = [];
    const allow = async (...args: unknown[]): Promise<unknown> => {
      asked.push(args);
      return { grantId: "g1", token: "abc", expiresAtMs: 3_600_000 };
    };
    const args = { peer_id: "p", actions: ["resize"], per_minute: 6, hours: 1 };
    expect(await callOf("peer_allow", args, withPeers({ allow }))).toEqual({
      success: true,
      peer_id: "p",
      grant_id: "g1",
      token: "abc",
      expires_time: "1970-01-01T01:00:00.000Z",
    });
    const terms = { actions: ["resize"], tools: [], concurrency: 4, perMinute: 6, bytesMax: 104_857_600 };
    expect(asked).toEqual([["p", { ...terms, holdsMs: 3_600_000 }]]);
  });

  it("peer_grants and peer_outlets tell of work and of refusals", async () => {
    const peers = withPeers({
      grants: async () => [GRANT],
      refusals: async () => ({ latest: [{ atMs: 0, peerId: "p", why: "no grant" }], counts: { grant: 1 } }),
      outlets: async () => [OUTLET],
    });
    expect(await callOf("peer_grants", {}, peers)).toMatchObject({
      grants: [{ grant_id: "g1", running_tasks: 1, refused: { action: 3 }, revoked_time: null }],
      refusals: { grant: 1 },
      latest_refusals: [{ time: "1970-01-01T00:00:00.000Z", peer_id: "p", why: "no grant" }],
    });
    expect(await callOf("peer_outlets", {}, peers)).toMatchObject({
      outlets: [{ peer_id: PEER.peerId, completed_tasks: 5, returned_tasks: 1, held: null }],
    });
  });
});
