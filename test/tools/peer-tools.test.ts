import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { System } from "../../src/system/index.ts";
import { TOOLSETS, inputSchemaOf } from "../../src/tools/index.ts";
import { callOf, toolNamed } from "./kit/call.ts";

const open = async (): Promise<System> => ({}) as System;
const call = (name: string, args: unknown): Promise<Record<string, unknown>> => callOf(name, args, open);

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
        error: expect.stringContaining(
          "the peer network is unavailable: this version works on one machine",
        ) as string,
        code: "UNAVAILABLE",
        retryable: true,
        degraded_mode: true,
        message: expect.stringContaining("no option of this version turns networking on") as string,
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
});
