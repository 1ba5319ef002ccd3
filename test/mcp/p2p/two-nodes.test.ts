import { expect, it, onTestFinished } from "vitest";
import { workerModule, type RefOf } from "../../../src/actor/index.ts";
import { callPeerTool, listPeerTools, openPeerServer, openPeerStream } from "../../../src/mcp/index.ts";
import { openDoor } from "../../../src/mcp/system-door.ts";
import { Network, type HostInit } from "../../../src/peers/network.protocol.ts";
import { openSupervisor } from "../../../src/supervisor/index.ts";
import { NO_SYSTEM } from "./kit/peer-host.ts";
import { peerTools } from "./kit/peer-tools.ts";
import type { PeerServerOptions } from "../../../src/mcp/p2p/peer-server.ts";

const HOST: HostInit = {
  keyFile: null,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  reach: ["machine"],
  connectionsMax: 64,
  inboundPerSecond: 1_000,
  mdns: false,
  dht: false,
  gossip: false,
  relayServer: false,
  relays: [],
};

type NetworkRef = RefOf<typeof Network>;

/** Two nodes on loopback, each with the thread of its network; the first one serves. */
async function openNodes() {
  const supervisor = openSupervisor();
  onTestFinished(() => supervisor.close());
  const spawn = (name: string): Promise<NetworkRef> =>
    supervisor.spawn(Network, { name, module: workerModule("network.actor").href, init: { host: HOST } });
  const [serving, calling] = await Promise.all([spawn("serving"), spawn("calling")]);
  const [there, here] = await Promise.all([serving.call.figures(), calling.call.figures()]);
  const grants = new Map([[here.peerId, ["repeat", "hold"]]]);
  const { tools, held } = peerTools();
  const ending = new AbortController();
  const server = await openPeerServer({
    network: serving,
    remote: {
      call: {
        authorize: async ({ peerId, tool }: { peerId: string; tool: string | null }) => {
          const named = grants.get(peerId);
          return named && (tool === null || named.includes(tool))
            ? { ok: true, grantId: "g", tools: named }
            : { ok: false, why: "no grant names it" };
        },
      },
    } as unknown as PeerServerOptions["remote"],
    door: openDoor(async () => NO_SYSTEM),
    version: "1.2.3",
    tools,
    signal: ending.signal,
  });
  const end = async (): Promise<void> => {
    ending.abort(new Error("enough"));
    await server.closed;
  };
  await calling.call.dial({ peerId: there.peerId, addresses: [...there.addresses] });
  const open = () => openPeerStream(calling, there.peerId);
  return { server, open, end, grants, held, here, calling, serving };
}

it(
  "one node calls the tools of another over libp2p, as far as its grant goes",
  { timeout: 60_000 },
  async () => {
    const { server, open, end, grants, held, here } = await openNodes();
    const tools = await listPeerTools(await open());
    expect(tools.map(({ name }) => name)).toEqual(["hold", "repeat"]);
    const long = { tool: "repeat", args: { text: "ä".repeat(20_000) } };
    expect(await callPeerTool(await open(), long)).toMatchObject({
      isError: false,
      value: { success: true },
    });
    const many = Array.from({ length: 12 }, async (_, n) =>
      callPeerTool(await open(), { tool: "repeat", args: { text: String(n) } }),
    );
    const values = (await Promise.all(many)).map(({ value }) => (value as { text: string }).text);
    expect(values).toEqual(Array.from({ length: 12 }, (_, n) => String(n)));

    const caller = new AbortController();
    const stopped = callPeerTool(
      await open(),
      { tool: "hold", args: { name: "a" } },
      { signal: caller.signal },
    );
    stopped.catch(() => undefined);
    await expect.poll(() => held.size).toBe(1);
    caller.abort(new Error("no need"));
    await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
    await expect.poll(() => held.get("a")?.signal.aborted).toBe(true);

    await expect(callPeerTool(await open(), { tool: "wipe", args: { rows: 1 } })).rejects.toMatchObject({
      code: "PEER_REFUSED",
    });
    grants.delete(here.peerId);
    await expect(callPeerTool(await open(), long)).rejects.toMatchObject({
      code: "PEER_REFUSED",
      details: { why: "unauthorized" },
    });
    await expect.poll(() => server.figures().sessionsClosed).toBe(server.figures().sessionsStarted);
    expect(server.figures()).toMatchObject({ unauthorized: 2, internalErrors: 0, frameErrors: 0 });
    await end();
  },
);

it("a call is lost with the node that was to carry it out", { timeout: 60_000 }, async () => {
  const { open, end, held, calling, serving } = await openNodes();
  const lost = callPeerTool(await open(), { tool: "hold", args: { name: "a" } });
  lost.catch(() => undefined);
  await expect.poll(() => held.size).toBe(1);
  const { peerId } = await serving.call.figures();
  await calling.call.hangUp({ peerId, graceMs: 0 });
  await expect(lost).rejects.toMatchObject({ code: "PEER_LOST" });
  await expect.poll(() => held.get("a")?.signal.aborted).toBe(true);
  await end();
});
