import { expect, it } from "vitest";
import { EventStream } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import { callPeerTool, openPeerServer, openPeerStream } from "../../../src/mcp/index.ts";
import type { PeerServerOptions } from "../../../src/mcp/p2p/peer-server.ts";
import { frameOf } from "../../../src/mcp/p2p/frame.ts";
import { openDoor } from "../../../src/mcp/system-door.ts";
import { NO_SYSTEM } from "./kit/peer-host.ts";
import { peerTools } from "./kit/peer-tools.ts";
import { streamPair, type StreamEnd } from "./kit/stream-pair.ts";

type Opened = { streamId: number; peerId: string; protocol: string };

/** The actor of the network as far as streams go: two nodes, `node` and `peer-a`, in one. */
function fakeNetwork() {
  const ends = new Map<number, StreamEnd>();
  const accepted: string[][] = [];
  const subscribers = new Set<EventStream<Opened>>();
  const departed = new Set<EventStream<{ peerId: string; why: string }>>();
  let streamId = 0;
  const emit = (opened: Opened): void => {
    for (const subscriber of subscribers) subscriber.push(opened);
  };
  const endOf = (id: number): StreamEnd => {
    const end = ends.get(id);
    if (!end) throw fault("PEER_LOST", { peerId: "?", why: "there is no such stream" });
    return end;
  };
  const network = {
    ready: async () => undefined,
    on: {
      disconnected: ({ signal }: { signal?: AbortSignal } = {}) => {
        const gone: EventStream<{ peerId: string; why: string }> = new EventStream<{
          peerId: string;
          why: string;
        }>({ actor: "network", event: "disconnected" }, 16, () => departed.delete(gone), signal);
        departed.add(gone);
        return gone;
      },
      opened: ({ signal }: { signal?: AbortSignal } = {}) => {
        const name = { actor: "network", event: "opened" };
        const stream: EventStream<Opened> = new EventStream<Opened>(
          name,
          16,
          () => subscribers.delete(stream),
          signal,
        );
        subscribers.add(stream);
        return stream;
      },
    },
    call: {
      figures: async () => ({ peerId: "node" }),
      acceptStreams: async ({ protocols }: { protocols: string[] }) => void accepted.push(protocols),
      openStream: async ({ protocol }: { protocol: string }) => {
        const { server, client } = streamPair();
        const [far, near] = [++streamId, ++streamId];
        ends.set(far, server);
        ends.set(near, client);
        emit({ streamId: far, peerId: "peer-a", protocol });
        return { streamId: near };
      },
      readStream: ({ streamId: id }: { streamId: number }, { signal }: { signal: AbortSignal }) =>
        new Promise((resolve, reject) => {
          const cancel = (): void => reject(fault("CANCELLED", { what: "network.readStream" }));
          signal.addEventListener("abort", cancel, { once: true });
          endOf(id)
            .read()
            .then((bytes) => resolve({ bytes }), reject);
        }),
      writeStream: ({ streamId: id, bytes }: { streamId: number; bytes: Uint8Array }) =>
        endOf(id).write(bytes),
      closeStream: ({ streamId: id, graceful }: { streamId: number; graceful: boolean }) =>
        endOf(id).close(graceful),
    },
  };
  return {
    network: network as unknown as PeerServerOptions["network"],
    accepted,
    emit,
    /** What the event's subscribers hear when the actor dies, or they are too slow. */
    fail(error: Error): void {
      for (const subscriber of [...subscribers, ...departed]) subscriber.finish(error);
    },
    /** What they hear when the last connection of a peer has ended. */
    depart(peerId: string): void {
      for (const gone of departed) gone.push({ peerId, why: "it went" });
    },
    subscribers,
    ends,
  };
}

async function openServer(options: Partial<PeerServerOptions> = {}) {
  const fake = fakeNetwork();
  const asked: unknown[] = [];
  const { tools, held } = peerTools();
  const ending = new AbortController();
  const server = await openPeerServer({
    network: fake.network,
    remote: {
      call: {
        authorize: async (question: { peerId: string; tool: string | null }) => {
          asked.push(question);
          return { ok: true, grantId: "g", tools: ["repeat", "hold"] };
        },
      },
    } as unknown as PeerServerOptions["remote"],
    door: openDoor(async () => NO_SYSTEM),
    version: "1.2.3",
    tools,
    signal: ending.signal,
    ...options,
  });
  const call = async (): Promise<unknown> => {
    const stream = await openPeerStream(fake.network, "node");
    // The same fake stands for the network of the other side, where this peer is called otherwise.
    const { value } = await callPeerTool(
      { ...bound(stream), peerId: "node" },
      { tool: "repeat", args: { text: "a" } },
    );
    return value;
  };
  return { ...fake, server, asked, held, call, end: () => ending.abort(new Error("enough")) };
}

const bound = (stream: Awaited<ReturnType<typeof openPeerStream>>) => ({
  read: () => stream.read(),
  write: (bytes: Uint8Array) => stream.write(bytes),
  close: (graceful: boolean) => stream.close(graceful),
});

it("serves the streams that peers open, by the grants of this node, until it is told to stop", async () => {
  const { server, call, accepted, asked, end, subscribers } = await openServer();
  await expect.poll(() => accepted).toEqual([["/mcp+p2p/1.0.0"]]);
  expect(await call()).toEqual({ success: true, text: "a" });
  expect(asked).toEqual([
    { peerId: "peer-a", tool: null },
    { peerId: "peer-a", tool: null },
    { peerId: "peer-a", tool: "repeat" },
  ]);
  end();
  await server.closed;
  expect(server.figures()).toMatchObject({
    sessionsStarted: 1,
    sessionsClosed: 1,
    requests: 2,
    internalErrors: 0,
  });
  expect(subscribers.size).toBe(0);
});

it("stops the calls of a peer whose connection has ended, also where it had said all", async () => {
  const { server, held, depart, network, ends, end } = await openServer();
  await expect.poll(() => ends.size).toBe(0);
  const stream = await openPeerStream(network, "node");
  const call = { name: "hold", arguments: { name: "a" } };
  await stream.write(frameOf({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }));
  await stream.write(frameOf({ jsonrpc: "2.0", id: 2, method: "tools/call", params: call }));
  ends.get(2)?.endWriting();
  await expect.poll(() => held.size).toBe(1);
  depart("somebody else");
  depart("peer-a");
  await expect.poll(() => server.figures().sessionsClosed).toBe(1);
  expect(held.get("a")?.signal.aborted).toBe(true);
  end();
  await server.closed;
});

it("goes on when the network was restarted, and when it was too slow for it", async () => {
  const { server, call, accepted, fail, end } = await openServer();
  await expect.poll(() => accepted.length).toBe(1);
  fail(fault("ACTOR_RESTARTING", { actor: "network" }));
  await expect.poll(() => accepted.length).toBe(2);
  expect(await call()).toEqual({ success: true, text: "a" });
  fail(fault("EVENTS_LOST", { actor: "network", event: "opened", limit: 1 }));
  await expect.poll(() => accepted.length).toBe(3);
  expect(await call()).toEqual({ success: true, text: "a" });
  end();
  await server.closed;
});

it("ends, and says why, when the network is gone for good", async () => {
  const { server, accepted, fail } = await openServer();
  await expect.poll(() => accepted.length).toBe(1);
  fail(fault("ACTOR_STOPPED", { actor: "network" }));
  await expect(server.closed).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
});

it("is not opened where networking is off", async () => {
  const off = fault("UNAVAILABLE", { what: "the network", why: "it is off" });
  const network = { call: { figures: () => Promise.reject(off) } } as unknown as PeerServerOptions["network"];
  await expect(openServer({ network })).rejects.toBe(off);
});

it("leaves streams of other protocols to others", async () => {
  const { server, accepted, emit, end } = await openServer();
  await expect.poll(() => accepted.length).toBe(1);
  emit({ streamId: 99, peerId: "peer-a", protocol: "/other/1.0.0" });
  end();
  await server.closed;
  expect(server.figures().sessionsStarted).toBe(0);
});

it("a stream of the network that is closed here reads as its end, whatever waits", async () => {
  const { network, ends } = fakeNetwork();
  const stream = await openPeerStream(network, "node");
  const reading = stream.read();
  await stream.close(true);
  expect(await reading).toBeNull();
  expect(await stream.read()).toBeNull();
  await stream.close(false);
  expect([...ends.values()].map(({ isClosed }) => isClosed)).toEqual([false, true]);
});

it("a stream of the network that breaks off says so", async () => {
  const { network, ends } = fakeNetwork();
  const stream = await openPeerStream(network, "node");
  await [...ends.values()][0]?.close(false);
  await expect(stream.read()).rejects.toMatchObject({ code: "PEER_LOST" });
  await expect(stream.write(Uint8Array.of(1))).rejects.toMatchObject({ code: "PEER_LOST" });
  await stream.close(false);
});
