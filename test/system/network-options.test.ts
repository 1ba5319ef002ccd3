import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSystem } from "../../src/system/index.ts";
import { planNetwork, type NetworkOptions } from "../../src/system/network-options.ts";

const plan = (options: NetworkOptions, data: string | null = "/data"): ReturnType<typeof planNetwork> =>
  planNetwork(options, { data, threads: 3 });

describe("the options of a network", () => {
  it("reach this machine alone, tell nobody, ask nobody and offer nothing, unless they say so", () => {
    const { host, discovery, bootstrap, remote } = plan({});
    expect(host).toEqual({
      keyFile: join("/data", "identity.key"),
      reach: ["machine"],
      listen: ["/ip4/127.0.0.1/tcp/0"],
      announce: [],
      connectionsMax: 256,
      inboundPerSecond: 50,
      mdns: false,
      dht: false,
      gossip: false,
      relays: [],
      relayServer: false,
    });
    expect(discovery).toMatchObject({ directory: "/data", capabilities: [], file: null, github: null });
    expect(bootstrap).toEqual({
      custom: [],
      defaults: false,
      connectionsMin: 0,
      stunServers: [],
      ipServices: [],
      portMapping: false,
    });
    expect(remote).toMatchObject({ on: true, servedMax: 3, leaseMs: 15_000 });
  });

  it("listen on all interfaces where more than this machine is in reach, and nowhere when that is asked for", () => {
    expect(plan({ reach: ["lan"] }).host.listen).toEqual(["/ip4/0.0.0.0/tcp/0"]);
    expect(plan({ reach: ["lan"], listen: [] }).host.listen).toEqual([]);
  });

  it("keep nothing on disk where the system keeps nothing", () => {
    const { host, discovery, remote } = plan({}, null);
    expect([host.keyFile, discovery.directory, remote.directory, remote.blobDirectory]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  it("look for one connection where there are nodes to ask, and say otherwise by a number", () => {
    const nodes = ["/ip4/192.0.2.1/tcp/1/p2p/x"];
    expect(plan({ bootstrap: { nodes } }).bootstrap).toMatchObject({ custom: nodes, connectionsMin: 1 });
    expect(plan({ bootstrap: { nodes, connectionsMin: 4 } }).bootstrap.connectionsMin).toBe(4);
  });

  it("ask public services for the address only by the word for them", () => {
    expect(plan({ nat: { publicAddress: ["default"] } }).bootstrap.ipServices.length).toBe(5);
    expect(plan({ nat: { publicAddress: ["https://ip.example"] } }).bootstrap.ipServices).toEqual([
      "https://ip.example",
    ]);
  });

  it("read a token from the environment, and only of a repository that was named", () => {
    const { github } = plan({ discover: { github: { owner: "me", repository: "peers" } } }).discovery;
    expect(github).toEqual({
      owner: "me",
      repository: "peers",
      tokenVariable: "GITHUB_TOKEN",
      authors: null,
      baseUrl: "https://api.github.com",
    });
  });

  it.each<[NetworkOptions, string]>([
    [{ listen: ["/ip4/1.2.3"] }, "network.listen[0]"],
    [{ announce: ["here"] }, "network.announce[0]"],
    [{ bootstrap: { nodes: ["/ip4/127.0.0.1/tcp/1"] } }, "network.bootstrap.nodes[0]"],
    [{ nat: { stun: ["a:99999"] } }, "network.nat.stun[0]"],
    [{ nat: { publicAddress: ["nowhere"] } }, "network.nat.publicAddress[0]"],
    [{ nat: { relays: ["x"] } }, "network.nat.relays[0]"],
  ])("%j is refused by name when a system is opened with it", async (network, argument) => {
    await expect(openSystem({ network })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument },
    });
  });

  it.each<[NetworkOptions, string]>([
    [{ reach: ["moon"] as never }, "network.reach[0]"],
    [{ listen: "x" as never }, "network.listen"],
    [{ nat: { stun: [3] as never } }, "network.nat.stun[0]"],
    [{ connectionsMax: 0 }, "network.connectionsMax"],
    [{ connectionsMax: 1_001 }, "network.connectionsMax"],
    [{ remote: { leaseMs: 999 } }, "network.remote.leaseMs"],
    [{ remote: { servedMax: 0 } }, "network.remote.servedMax"],
    [{ bootstrap: { connectionsMin: -1 } }, "network.bootstrap.connectionsMin"],
    [{ discover: { github: { owner: "a/b", repository: "c" } } }, "network.discover.github.owner"],
    [{ discover: { github: { owner: "a", repository: ".." } } }, "network.discover.github.repository"],
    [{ discover: { file: 5 as never } }, "network.discover.file"],
    [{ mdns: true } as never, "network.mdns"],
    [{ discover: { mdsn: true } as never }, "network.discover.mdsn"],
  ])("%j is refused by name", (options, argument) => {
    expect(() => plan(options)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        details: expect.objectContaining({ argument }) as object,
      }) as Error,
    );
  });
});
