import { describe, expect, it } from "vitest";
import { LIMITS, wireFault } from "../../../src/errors/index.ts";
import type { ConnectionInfo, PeerRequest } from "../../../src/peers/network.protocol.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { patterned } from "./link-kit.ts";
import { dialled, message, openNode, until, type TestNode } from "./node-kit.ts";

const code = (value: string) => expect.objectContaining({ code: value }) as unknown;

/** Answers everything that begins with "echo" with its body. */
async function echoing(node: TestNode): Promise<void> {
  await node.call.serve({ prefixes: ["echo", "hold"] }, message());
}
async function requested(node: TestNode, index = 0): Promise<PeerRequest> {
  return until(() => node.of<PeerRequest>("requested")[index], `request ${index}`);
}

describe("two nodes", () => {
  it("dial, ask each other at once, carry 1 MiB, and part; each is told once", async () => {
    await using one = await openNode();
    await using other = await openNode();
    const info = await dialled(one, other);
    expect(info).toMatchObject({ peerId: other.peerId, direction: "outbound", limited: false });
    await echoing(one);
    await echoing(other);
    const body = patterned(LIMITS.network.bodyBytes);
    const there = one.call.request({ peerId: other.peerId, method: "echo.a", body }, message());
    const back = other.call.request({ peerId: one.peerId, method: "echo.b", body: patterned(9) }, message());
    for (const node of [one, other]) {
      const request = await requested(node);
      await node.call.reply(
        { requestId: request.requestId, end: { ok: true, body: request.body } },
        message(),
      );
    }
    expect(Buffer.compare((await there).body, body)).toBe(0);
    expect((await back).body).toEqual(patterned(9));
    expect((await one.call.ping({ peerId: other.peerId }, message())).rttMs).toBeGreaterThan(0);
    const { connections } = await one.call.connections(undefined, message());
    expect(connections).toMatchObject([{ peerId: other.peerId, requestsServed: 1 }]);
    expect(connections[0]?.bytesSent).toBeGreaterThan(LIMITS.network.bodyBytes);
    await until(() => one.of<ConnectionInfo>("connected").length > 0);
    expect(await one.call.hangUp({ peerId: other.peerId, graceMs: 100 }, message())).toEqual({
      wasConnected: true,
    });
    await until(() => other.of("disconnected").length > 0, "the news at the other side");
    expect(one.of("connected").length).toBe(1);
    expect(one.of("disconnected")).toEqual([{ peerId: other.peerId, why: "it was hung up" }]);
    expect(other.of("connected").length).toBe(1);
    await expect(one.call.request({ peerId: other.peerId, method: "echo", body }, message())).rejects.toEqual(
      code("PEER_NOT_FOUND"),
    );
  });

  it("carry a cancel, a deadline and a fault to the other side", async () => {
    await using one = await openNode();
    await using other = await openNode();
    await dialled(one, other);
    await echoing(other);
    const ask = (overrides: Parameters<typeof message>[0]) =>
      one.call.request({ peerId: other.peerId, method: "hold", body: patterned(3) }, message(overrides));
    const taking = new AbortController();
    const cancelled = ask({ signal: taking.signal });
    const first = await requested(other, 0);
    taking.abort();
    await expect(cancelled).rejects.toEqual(code("CANCELLED"));
    await until(() => other.of("withdrawn").length === 1);
    expect(other.of("withdrawn")).toEqual([{ requestId: first.requestId }]);
    const late = ask({ deadlineMs: systemClock.now() + 200 });
    const caught = expect(late).rejects.toEqual(code("DEADLINE_EXCEEDED"));
    expect((await requested(other, 1)).remainingMs).toBeLessThanOrEqual(200);
    await caught;
    await until(() => other.of("withdrawn").length === 2);
    const failing = ask({});
    const { requestId } = await requested(other, 2);
    const error = wireFault("TASK_NOT_FOUND", { taskId: "t" });
    await other.call.reply({ requestId, end: { ok: false, error } }, message());
    await expect(failing).rejects.toMatchObject({ code: "TASK_NOT_FOUND", details: { taskId: "t" } });
  });

  it("whose other end stops reject with PEER_LOST what was under way, and are told", async () => {
    await using one = await openNode();
    const other = await openNode();
    await dialled(one, other);
    await echoing(other);
    const pending = one.call.request({ peerId: other.peerId, method: "hold", body: patterned(3) }, message());
    const lost = expect(pending).rejects.toEqual(code("PEER_LOST"));
    await requested(other);
    await other[Symbol.asyncDispose]();
    await lost;
    await until(() => one.of("disconnected").length === 1);
    expect(other.of("withdrawn").length).toBe(1);
  });

  it("that dial each other at the same moment are connected once, whatever the number of connections", async () => {
    await using one = await openNode();
    await using other = await openNode();
    await Promise.all([dialled(one, other), dialled(other, one)]);
    await echoing(other);
    const asked = one.call.request({ peerId: other.peerId, method: "echo", body: patterned(3) }, message());
    const { requestId, body } = await requested(other);
    await other.call.reply({ requestId, end: { ok: true, body } }, message());
    await asked;
    expect(one.of("connected").length).toBe(1);
    expect(other.of("connected").length).toBe(1);
    expect(one.of("disconnected")).toEqual([]);
    await one.call.hangUp({ peerId: other.peerId, graceMs: 0 }, message());
    await until(() => other.of("disconnected").length === 1);
    expect(one.of("disconnected").length).toBe(1);
  });

  it("answer net.ping, net.sample and net.record by themselves, and refuse what nobody serves", async () => {
    await using one = await openNode();
    await using other = await openNode({ gossip: true });
    await dialled(one, other);
    const ask = async (method: string, body: Uint8Array = new Uint8Array()) =>
      (await one.call.request({ peerId: other.peerId, method, body }, message())).body;
    expect(await ask("net.ping")).toEqual(new Uint8Array());
    const wanted = Buffer.alloc(4);
    wanted.writeUInt32BE(LIMITS.network.sampleBytes);
    expect((await ask("net.sample", wanted)).length).toBe(LIMITS.network.sampleBytes);
    wanted.writeUInt32BE(LIMITS.network.sampleBytes + 1);
    await expect(ask("net.sample", wanted)).rejects.toEqual(code("INVALID_ARGUMENT"));
    await expect(ask("net.record")).rejects.toEqual(code("UNAVAILABLE"));
    await other.call.publish({ record: patterned(7) }, message());
    expect(await ask("net.record")).toEqual(patterned(7));
    await expect(ask("nobody.serves")).rejects.toEqual(code("PEER_PROTOCOL"));
    const { refused } = await other.call.figures(undefined, message());
    expect(refused).toMatchObject({ method: 1 });
  });

  it("start fifty requests at once on a connection that has just been dialled, and none is lost", async () => {
    await using one = await openNode();
    await using other = await openNode();
    await dialled(one, other);
    const asked = Array.from({ length: 50 }, () =>
      one.call.request({ peerId: other.peerId, method: "net.ping", body: patterned(1) }, message()),
    );
    await expect(Promise.all(asked)).resolves.toHaveLength(50);
  });
});

describe("an address that is announced", () => {
  it("is told beside those that are listened on, until another takes its place", async () => {
    await using one = await openNode();
    const addresses = async (): Promise<readonly string[]> =>
      (await one.call.figures(undefined, message())).addresses;
    const own = await addresses();
    const [first, second] = ["/ip4/8.8.4.4/tcp/4001", "/ip4/8.8.4.4/tcp/4002"];
    await one.call.announce({ addresses: [`${first}/p2p/${one.peerId}`] }, message());
    expect(await addresses()).toEqual([...own, `${first}/p2p/${one.peerId}`]);
    await until(() =>
      one.of<{ addresses: string[] }>("readdressed").some(({ addresses: told }) => told.length === 2),
    );
    await one.call.announce({ addresses: [second] }, message());
    expect(await addresses()).toEqual([...own, `${second}/p2p/${one.peerId}`]);
    await one.call.announce({ addresses: [] }, message());
    expect(await addresses()).toEqual(own);
  });

  it("is refused when it is none, or one of too many", async () => {
    await using one = await openNode();
    for (const wrong of [
      ["8.8.4.4:4001"],
      Array.from({ length: 5 }, (_, at) => `/ip4/8.8.4.4/tcp/${at + 1}`),
    ])
      await expect(one.call.announce({ addresses: wrong }, message())).rejects.toEqual(
        code("INVALID_ARGUMENT"),
      );
  });
});

describe("a dial", () => {
  it("of an address where somebody else listens is PEER_UNREACHABLE, and connects nobody", async () => {
    await using one = await openNode();
    await using other = await openNode();
    await using meant = await openNode();
    const address = other.address.replace(other.peerId, meant.peerId);
    const dial = one.call.dial({ peerId: meant.peerId, addresses: [address] }, message());
    await expect(dial).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
      details: { why: "somebody else answers there" },
    });
    expect(one.of("connected")).toEqual([]);
  });

  it("of an id that is the hash of a key, at an address where somebody else listens, is PEER_UNREACHABLE too", async () => {
    await using one = await openNode();
    await using other = await openNode();
    const hashed = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN";
    const address = other.address.replace(other.peerId, hashed);
    await expect(one.call.dial({ peerId: hashed, addresses: [address] }, message())).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
      details: { why: `peer ${other.peerId} answers there` },
    });
    await until(async () => (await one.call.connections(undefined, message())).connections.length === 0);
  });

  it("where nobody listens is PEER_UNREACHABLE, and where one of several answers succeeds", async () => {
    await using one = await openNode();
    await using other = await openNode();
    const nowhere = "/ip4/127.0.0.1/tcp/1";
    await expect(one.call.dial({ peerId: other.peerId, addresses: [nowhere] }, message())).rejects.toEqual(
      code("PEER_UNREACHABLE"),
    );
    const both = one.call.dial(
      { peerId: null, addresses: [`${nowhere}/p2p/${other.peerId}`, other.address] },
      message(),
    );
    await expect(both).resolves.toMatchObject({ peerId: other.peerId });
  });

  it.each([
    ["/ip4/127.0.0.1/tcp/4001", "this machine"],
    ["/ip4/0.0.0.0/tcp/4001", "this machine"],
    ["/ip6/::1/tcp/4001", "this machine"],
    ["/ip6/::ffff:127.0.0.1/tcp/4001", "this machine"],
    ["/dns4/localhost/tcp/4001", "this machine"],
    ["/ip4/10.1.2.3/tcp/4001", "a private network"],
    ["/ip4/192.168.1.1/tcp/4001", "a private network"],
    ["/ip6/fe80::1/tcp/4001", "a private network"],
  ])("of %s is refused when only the internet is in reach", async (address, where) => {
    await using one = await openNode({ reach: ["internet"] });
    const dial = one.call.dial({ peerId: null, addresses: [address] }, message());
    await expect(dial).rejects.toMatchObject({
      code: "ADDRESS_NOT_ALLOWED",
      message: expect.stringContaining(where) as unknown,
    });
  });

  it.each([
    ["no address", { peerId: null, addresses: [] }],
    ["something that is no address", { peerId: null, addresses: ["127.0.0.1:4001"] }],
    ["something that is no peer", { peerId: "me", addresses: ["/ip4/127.0.0.1/tcp/4001"] }],
    [
      "too many addresses",
      { peerId: null, addresses: Array.from({ length: 17 }, () => "/ip4/127.0.0.1/tcp/1") },
    ],
  ])("of %s is INVALID_ARGUMENT", async (_, request) => {
    await using one = await openNode();
    await expect(one.call.dial(request, message())).rejects.toEqual(code("INVALID_ARGUMENT"));
  });

  it("of oneself is INVALID_ARGUMENT", async () => {
    await using one = await openNode();
    const dial = one.call.dial({ peerId: null, addresses: [one.address] }, message());
    await expect(dial).rejects.toEqual(code("INVALID_ARGUMENT"));
  });
});

describe("with networking off", () => {
  it("every call is UNAVAILABLE, and the status says why", async () => {
    const { networkBehaviour } = await import("../../../src/peers/network/network.behaviour.ts");
    const { Network } = await import("../../../src/peers/network.protocol.ts");
    const { fakeActor } = await import("../../kit/actor-context.ts");
    const fake = fakeActor(Network);
    const off = await networkBehaviour.setup(fake.context, { host: null });
    expect(off.status(undefined, message())).toMatchObject({ networking: "off" });
    expect(() => off.figures(undefined, message())).toThrow(code("UNAVAILABLE"));
    await expect(off.dial({ peerId: null, addresses: [] }, message())).rejects.toEqual(code("UNAVAILABLE"));
    expect(fake.health()).toMatchObject({ networking: "off" });
  });
});
