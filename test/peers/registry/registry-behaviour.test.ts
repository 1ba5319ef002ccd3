import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { packValue } from "../../../src/codec/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { checkRecord, type PeerRecord } from "../../../src/peers/capability-record.ts";
import { SHUN_MS } from "../../../src/peers/registry/registry.core.ts";
import { makeSigner, makeSigners, type Signer } from "./record-kit.ts";
import { RegistryKit, until } from "./registry-kit.ts";

const [alice, bob, carol] = (await makeSigners(3)) as [Signer, Signer, Signer];

const HOUR_MS = 3_600_000;
const anyNumber = expect.any(Number) as number;
const addressOf = ({ peerId }: Signer): string => `/ip4/127.0.0.1/tcp/4001/p2p/${peerId}`;
const connectTo = (
  { peerId }: Signer,
  overrides: object = {},
): { peerId: string; address: string; attempts: number; attemptMs: number; persist: boolean } => ({
  peerId,
  address: "/ip4/127.0.0.1/tcp/4001",
  attempts: 3,
  attemptMs: 1_000,
  persist: false,
  ...overrides,
});

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "registry-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What the node says of itself in a record that it has sealed. */
async function ownRecord(sealed: Uint8Array, nowMs: number): Promise<PeerRecord> {
  const checked = await checkRecord(sealed, { nowMs, sequenceOf: () => undefined });
  if (checked.verdict === "refused") throw new Error(checked.why);
  return checked.record;
}

describe("records", () => {
  it("are taken from gossip, and from each peer that connects, and name their sources", async () => {
    await using kit = await RegistryKit.open();
    const sealed = await alice.seal(alice.record(kit.nowMs));
    kit.network.emit("heard", { record: sealed, source: "gossip" });
    await until(() => kit.find(alice.peerId) !== undefined);
    expect(kit.find(alice.peerId)).toMatchObject({
      verified: true,
      capabilities: ["compute", "storage"],
      status: "disconnected",
      sources: ["gossip"],
      addresses: [addressOf(alice)],
    });
    kit.network.add(alice, { record: sealed });
    kit.network.connect(alice.peerId);
    await until(() => kit.find(alice.peerId)?.sources.length === 2);
    expect(kit.find(alice.peerId)).toMatchObject({
      status: "connected",
      sources: ["connection", "gossip"],
      agent: "test",
    });
    expect(kit.counts()).toMatchObject({ records_newer: 1, records_known: 1 });
    expect(kit.fake.events.map(({ params }) => params)).toContainEqual({ peerId: alice.peerId });
  });

  it("that are old, forged or expired change nothing, and are counted by why", async () => {
    await using kit = await RegistryKit.open();
    const good = alice.record(kit.nowMs);
    const tell = (record: Uint8Array): void => kit.network.emit("heard", { record, source: "gossip" });
    tell(await alice.seal(good));
    await until(() => kit.find(alice.peerId) !== undefined);
    tell(await alice.seal({ ...good, sequence: good.sequence - 1, capabilities: ["all"] }));
    tell(await bob.seal({ ...good, sequence: good.sequence + 1, capabilities: ["all"] }));
    tell(
      await alice.seal({
        ...good,
        sequence: good.sequence + 2,
        issuedAtMs: kit.nowMs - 2,
        expiresAtMs: kit.nowMs - 1,
      }),
    );
    tell(new Uint8Array(LIMITS.discovery.recordBytes + 1));
    await until(() => kit.counts()["refused_expired"] === 1);
    expect(kit.counts()).toMatchObject({
      refused_sequence: 1,
      refused_signer: 1,
      refused_size: 1,
      records_newer: 1,
    });
    expect(kit.peers()).toHaveLength(1);
    expect(kit.find(alice.peerId)?.capabilities).toEqual(["compute", "storage"]);
  });

  it("of this node are no peer", async () => {
    await using kit = await RegistryKit.open();
    const { own } = kit.network;
    kit.network.emit("heard", { record: await own.seal(own.record(kit.nowMs)), source: "gossip" });
    kit.network.emit("sighted", { peerId: own.peerId, addresses: [addressOf(own)], source: "mdns" });
    await until(() => kit.counts()["records_own"] === 1);
    expect(kit.peers()).toEqual([]);
  });

  it("expire by a timer: the peer stays as a hint where to dial, without capabilities, and leaves half an hour later", async () => {
    await using kit = await RegistryKit.open();
    kit.network.emit("heard", { record: await alice.seal(alice.record(kit.nowMs)), source: "gossip" });
    await until(() => kit.find(alice.peerId) !== undefined);
    await kit.clock.advance(21 * 60_000);
    expect(kit.find(alice.peerId)).toMatchObject({ verified: false, capabilities: [], expiresAtMs: null });
    expect(kit.find(alice.peerId)?.addresses).toEqual([addressOf(alice)]);
    expect(kit.counts()["expired"]).toBe(1);
    await kit.clock.advance(2 * HOUR_MS);
    expect(kit.peers()).toEqual([]);
  });

  it("that a connected peer tells are its own, or refused", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    kit.network.connect(alice.peerId);
    kit.network.ask(alice.peerId, "registry.told", await alice.seal(alice.record(kit.nowMs)));
    await until(() => kit.find(alice.peerId)?.verified === true);
    kit.network.ask(alice.peerId, "registry.told", await bob.seal(bob.record(kit.nowMs)));
    await until(() => kit.network.replies.length === 2);
    expect(kit.network.refusals).toEqual(["RECORD_INVALID"]);
    expect(kit.find(bob.peerId)).toBeUndefined();
    kit.network.ask(alice.peerId, "registry.nothing");
    await until(() => kit.network.replies.length === 3);
    expect(kit.network.refusals).toEqual(["RECORD_INVALID", "PEER_PROTOCOL"]);
  });

  it("are there again after a restart, checked as if a stranger told them, and no older one takes their place", async () => {
    const directory = makeDirectory();
    const kit = await RegistryKit.open({ directory });
    const newer = alice.record(kit.nowMs, { sequence: 2 });
    for (const record of [await alice.seal(newer), await bob.seal(bob.record(kit.nowMs))])
      kit.network.emit("heard", { record, source: "gossip" });
    await until(() => kit.peers().length === 2);
    await kit[Symbol.asyncDispose]();
    const db = new DatabaseSync(join(directory, "peers.sqlite"));
    // Somebody has put another's name on a record.
    const forged = await carol.seal({ ...bob.record(kit.nowMs), sequence: kit.nowMs + 1 });
    db.prepare("UPDATE records SET sealed = ? WHERE peer_id = ?").run(forged, bob.peerId);
    db.close();
    await kit.start(2);
    expect(kit.peers().map(({ peerId }) => peerId)).toEqual([alice.peerId]);
    expect(kit.counts()).toMatchObject({ refused_signer: 1 });
    const older = await alice.seal(alice.record(kit.nowMs, { sequence: 1, capabilities: ["old"] }));
    await until(() => kit.network.served.size > 0);
    kit.network.emit("heard", { record: older, source: "gossip" });
    await until(() => kit.counts()["refused_sequence"] === 1);
    await kit[Symbol.asyncDispose]();
  });
});

describe("the own record", () => {
  it("is told to gossip, the hash table and all who are connected, and again every third of its life", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice);
    kit.network.connect(alice.peerId);
    await kit.clock.advance(0);
    await until(() => kit.network.published.length === 1 && peer.told.length === 1);
    expect(kit.network.provided).toEqual([["*", "compute"]]);
    const first = await ownRecord(kit.network.published[0]!, kit.nowMs);
    expect(first).toMatchObject({
      peerId: kit.network.own.peerId,
      capabilities: ["compute"],
      addresses: ["/ip4/127.0.0.1/tcp/4000"],
      issuedAtMs: kit.nowMs,
    });
    await kit.clock.advance(400_000);
    await until(() => kit.network.published.length === 2);
    const second = await ownRecord(kit.network.published[1]!, kit.nowMs);
    expect(second.sequence).toBeGreaterThan(first.sequence);
    expect(peer.told).toHaveLength(2);
  });

  it("is signed anew when capabilities are offered, and when addresses change, gathered for a second", async () => {
    await using kit = await RegistryKit.open();
    await kit.clock.advance(0);
    await until(() => kit.network.published.length === 1);
    const offered = kit.call.offer({ capabilities: ["resize", "compute"] }, kit.message);
    const { sequence } = await offered;
    expect(await ownRecord(kit.network.published[1]!, kit.nowMs)).toMatchObject({
      sequence,
      capabilities: ["compute", "resize"],
    });
    kit.network.addresses = ["/ip4/127.0.0.1/tcp/5000"];
    for (let times = 0; times < 5; times++) kit.network.emit("readdressed", { addresses: [] });
    await kit.clock.advance(1_000);
    await until(() => kit.network.published.length === 3);
    expect((await ownRecord(kit.network.published[2]!, kit.nowMs)).addresses).toEqual(kit.network.addresses);
  });

  it("of more capabilities than one may have is refused, and what was offered before holds", async () => {
    await using kit = await RegistryKit.open();
    const most = Array.from({ length: LIMITS.peers.capabilities - 1 }, (_, at) => `c${at}`);
    await kit.call.offer({ capabilities: most }, kit.message);
    const offered = Promise.resolve(kit.call.offer({ capabilities: [...most, "more"] }, kit.message));
    await expect(offered).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await kit.clock.advance(400_000);
    await until(() => kit.network.published.length > 1);
    const { capabilities } = await ownRecord(kit.network.published.at(-1)!, kit.nowMs);
    expect(capabilities).toEqual(["compute", ...most].toSorted());
  });

  it("has a sequence that rises strictly over restarts, also when the clock was set back", async () => {
    const directory = makeDirectory();
    const kit = await RegistryKit.open({ directory });
    await kit.clock.advance(0);
    await until(() => kit.network.published.length === 1);
    const before = await ownRecord(kit.network.published[0]!, kit.nowMs);
    await kit[Symbol.asyncDispose]();
    kit.clock.wallOffsetMs -= HOUR_MS / 2;
    await kit.start(2);
    await until(() => {
      void kit.clock.advance(0).catch(() => undefined);
      return kit.network.published.length === 2;
    });
    const after = await ownRecord(kit.network.published[1]!, kit.nowMs);
    expect(after.sequence).toBe(before.sequence + 1);
    expect(after.issuedAtMs).toBeLessThan(before.issuedAtMs);
    await kit[Symbol.asyncDispose]();
  });

  it("that is too large goes without its last addresses", async () => {
    await using kit = await RegistryKit.open({
      capabilities: Array.from({ length: 32 }, (_, at) => `${at}`.padStart(100, "x")),
    });
    kit.network.addresses = Array.from(
      { length: 16 },
      (_, at) => `/dns4/${"a".repeat(60)}.${"b".repeat(60)}.example/tcp/${at + 1}`,
    );
    await kit.clock.advance(0);
    await until(() => kit.network.published.length === 1);
    const { addresses } = await ownRecord(kit.network.published[0]!, kit.nowMs);
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.length).toBeLessThan(16);
    expect(kit.network.published[0]!.byteLength).toBeLessThanOrEqual(LIMITS.discovery.recordBytes);
  });
});

describe("connecting", () => {
  it("answers with the connection's id, the attempts it took, and what the peer says that it can do", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { record: await alice.seal(alice.record(kit.nowMs)) });
    const request = connectTo(alice);
    const done = await kit.ending(Promise.resolve(kit.call.connect(request, kit.message)));
    const id = createHash("sha256")
      .update(alice.peerId + request.address)
      .digest("hex")
      .slice(0, 16);
    expect(done).toMatchObject({
      connectionId: id,
      attempts: 1,
      peer: { status: "connected", capabilities: ["compute", "storage"], persistent: false },
    });
  });

  it("makes as many attempts as it was told, with growing pauses, and says how many when it fails", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { isReachable: false });
    const connecting = Promise.resolve(kit.call.connect(connectTo(alice, { attempts: 4 }), kit.message));
    const failing = kit.ending(connecting, 5);
    await expect(failing).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
      details: { peer: alice.peerId, why: "nobody is there", attempts: 4 },
    });
    const times = kit.network.dialled.map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    for (const [index, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(125 * 2 ** index);
      expect(pause).toBeLessThanOrEqual(255 * 2 ** index);
    }
    expect(kit.find(alice.peerId)?.status).toBe("disconnected");
  });

  it("succeeds at a later attempt when the peer is there by then", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice, { isReachable: false });
    kit.clock.at(300, () => void (peer.isReachable = true));
    const done = await kit.ending(Promise.resolve(kit.call.connect(connectTo(alice), kit.message)), 10);
    expect(done.attempts).toBe(3);
  });

  it("ends at once for an address that may not be dialled, for one of another peer, and for this node itself", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    const connect = (overrides: object): Promise<unknown> =>
      kit.ending(Promise.resolve(kit.call.connect(connectTo(alice, overrides), kit.message)));
    await expect(connect({ address: "/ip4/10.0.0.1/tcp/1" })).rejects.toMatchObject({
      code: "ADDRESS_NOT_ALLOWED",
    });
    const refused = { code: "INVALID_ARGUMENT" };
    await expect(connect({ address: addressOf(bob) })).rejects.toMatchObject(refused);
    await expect(connect({ address: "127.0.0.1:80" })).rejects.toMatchObject(refused);
    await expect(connect({ attempts: 0 })).rejects.toMatchObject(refused);
    await expect(connect({ peerId: kit.network.own.peerId })).rejects.toMatchObject(refused);
    expect(kit.network.dialled).toHaveLength(1);
  });

  it("is given up with its caller, between two attempts as well", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { isReachable: false });
    const caller = new AbortController();
    const message = { ...kit.message, signal: caller.signal };
    const connecting = Promise.resolve(kit.call.connect(connectTo(alice, { attempts: 100 }), message));
    kit.clock.at(1_000, () => caller.abort());
    await expect(kit.ending(connecting)).rejects.toThrow();
    const dials = kit.network.dialled.length;
    await kit.clock.advance(60_000);
    expect(kit.network.dialled).toHaveLength(dials);
    expect(kit.find(alice.peerId)?.status).toBe("disconnected");
  });
});

describe("a persistent peer", () => {
  const connected = async (kit: RegistryKit): Promise<void> => {
    await kit.ending(Promise.resolve(kit.call.connect(connectTo(alice, { persist: true }), kit.message)));
    expect(kit.find(alice.peerId)).toMatchObject({ persistent: true, status: "connected" });
  };

  it("that is lost is dialled again with growing pauses, without end, until it is back", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice);
    await connected(kit);
    await kit.clock.advance(60_000);
    peer.isReachable = false;
    const lostMs = kit.clock.now();
    kit.network.drop(alice.peerId);
    await kit.clock.advance(HOUR_MS);
    const redials = kit.network.dialled.slice(1).map(({ atMs }) => atMs - lostMs);
    expect(redials[0]).toBeGreaterThanOrEqual(500);
    expect(redials[0]).toBeLessThanOrEqual(1_000);
    const pauses = redials.slice(1).map((atMs, index) => atMs - (redials[index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(300_000);
    // Once grown, they stay between half of the longest pause and the whole.
    expect(Math.min(...pauses.slice(9))).toBeGreaterThanOrEqual(150_000);
    expect(redials.length).toBeGreaterThan(18);
    peer.isReachable = true;
    await kit.clock.advance(300_000);
    expect(kit.find(alice.peerId)?.status).toBe("connected");
  });

  it("is dialled after a restart, too, and not any more once it was disconnected on request", async () => {
    const directory = makeDirectory();
    const kit = await RegistryKit.open({ directory });
    kit.network.add(alice);
    await connected(kit);
    await kit[Symbol.asyncDispose]();
    kit.network.drop(alice.peerId);
    await kit.start(2);
    await until(() => kit.network.served.size > 0 && kit.clock.pending > 2);
    await kit.clock.advance(2_000);
    await until(() => kit.network.isConnected(alice.peerId));
    await kit.clock.advance(0);
    const reply = kit.call.disconnect(
      { peerId: alice.peerId, graceful: true, reason: "enough" },
      kit.message,
    );
    expect(await kit.ending(Promise.resolve(reply))).toMatchObject({ wasConnected: true });
    await kit.clock.advance(HOUR_MS);
    expect(kit.network.isConnected(alice.peerId)).toBe(false);
    expect(kit.network.hungUp).toEqual([alice.peerId]);
    expect(kit.find(alice.peerId)?.persistent ?? false).toBe(false);
    await kit[Symbol.asyncDispose]();
    const dials = kit.network.dialled.length;
    await kit.start(3);
    await kit.clock.advance(60_000);
    expect(kit.network.dialled).toHaveLength(dials);
    await kit[Symbol.asyncDispose]();
  });

  it("knows a peer that the network has seen before the registry listened to it", async () => {
    await using kit = await RegistryKit.open();
    const hint = { peerId: alice.peerId, addresses: [addressOf(alice)], source: "mdns" } as const;
    kit.network.kill();
    kit.network.sightings = [{ ...hint, addresses: [...hint.addresses] }];
    kit.network.revive();
    await kit.ending(until(() => kit.find(alice.peerId) !== undefined));
    expect(kit.find(alice.peerId)).toMatchObject({ addresses: hint.addresses, sources: ["mdns"] });
  });

  it("comes back after a restart of the network's actor, which costs nothing but the connections", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { record: await alice.seal(alice.record(kit.nowMs)) });
    kit.network.add(bob);
    kit.network.connect(bob.peerId);
    await connected(kit);
    await until(() => kit.network.published.length >= 1);
    kit.network.served.clear();
    const published = kit.network.published.length;
    kit.network.kill();
    await until(() => kit.find(alice.peerId)?.status === "disconnected");
    expect(kit.find(bob.peerId)?.status).toBe("disconnected");
    expect(kit.find(alice.peerId)?.verified).toBe(true);
    await kit.clock.advance(5_000);
    kit.network.revive();
    await kit.clock.advance(15_000);
    await until(() => kit.network.isConnected(alice.peerId));
    expect(kit.network.served).toEqual(new Set(["registry."]));
    await until(() => kit.network.published.length > published);
    expect(kit.network.isConnected(bob.peerId)).toBe(false);
  });
});

describe("conduct", () => {
  it("that is the worst ends in a disconnection, and in being left alone for ten minutes", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    await kit.ending(Promise.resolve(kit.call.connect(connectTo(alice, { persist: true }), kit.message)));
    for (let times = 0; times < 4; times++)
      await kit.call.judged({ peerId: alice.peerId, ok: false, why: "it lied" }, kit.message);
    expect(kit.network.hungUp).toEqual([]);
    for (let times = 0; times < 3; times++)
      await kit.call.judged({ peerId: alice.peerId, ok: false, why: "it lied" }, kit.message);
    expect(kit.network.hungUp).toEqual([alice.peerId]);
    const dials = kit.network.dialled.length;
    await kit.clock.advance(SHUN_MS - 20_000);
    expect(kit.network.dialled).toHaveLength(dials);
    // It may not come by itself either.
    kit.network.connect(alice.peerId);
    await until(() => kit.network.hungUp.length === 2);
    await kit.clock.advance(60_000);
    expect(kit.find(alice.peerId)?.status).toBe("connected");
  });

  it("is pardoned when somebody asks for the peer by name", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    kit.network.connect(alice.peerId);
    await until(() => kit.find(alice.peerId)?.status === "connected");
    for (let times = 0; times < 7; times++)
      await kit.call.judged({ peerId: alice.peerId, ok: false, why: "it lied" }, kit.message);
    await until(() => kit.network.hungUp.length === 1);
    await kit.ending(Promise.resolve(kit.call.connect(connectTo(alice), kit.message)));
    expect(kit.find(alice.peerId)?.status).toBe("connected");
    expect(kit.network.hungUp).toHaveLength(1);
  });

  it("suffers from an own record that its peer may not sign, and not from a clock that is set wrong", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { record: await bob.seal(alice.record(kit.nowMs)) });
    kit.network.add(bob, { record: await bob.seal(bob.record(kit.nowMs + HOUR_MS)) });
    for (const { peerId } of [alice, bob]) kit.network.connect(peerId);
    await until(() => kit.counts()["refused_future"] === 1 && kit.counts()["refused_signer"] === 1);
    await until(() => kit.find(alice.peerId)?.figures.reliability === 0);
    expect(kit.find(bob.peerId)?.figures.reliability).toBeNull();
  });
});

describe("figures", () => {
  it("are null until they are measured, and then within their windows", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice, { rttMs: 40, mbps: 100 });
    kit.network.connect(alice.peerId);
    await until(() => kit.find(alice.peerId)?.status === "connected");
    expect(kit.find(alice.peerId)?.figures).toEqual({
      latencyMs: null,
      bandwidthMbps: null,
      lossPercent: null,
      quality: null,
      reliability: null,
      uptimeHours: 0,
      requestsServed: 0,
      bytesTransferred: 0,
    });
    peer.counters = { bytesSent: 10, bytesReceived: 20, requestsServed: 3 };
    await kit.clock.advance(60_000);
    const { figures } = await kit.call.peer({ peerId: alice.peerId }, kit.message);
    expect(figures).toMatchObject({
      latencyMs: 40,
      lossPercent: null,
      reliability: 1,
      requestsServed: 3,
      bytesTransferred: 30,
    });
    expect(figures.bandwidthMbps).toBeGreaterThan(20);
    expect(figures.uptimeHours).toBeCloseTo(1 / 60);
    peer.rttMs = 100;
    await kit.clock.advance(80_000);
    expect(kit.find(alice.peerId)?.figures.latencyMs).toBe(100);
  });

  it("of a connection that is lost keep what was counted, and lose what was measured when it is too old", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice, { counters: { bytesSent: 5, bytesReceived: 5, requestsServed: 1 } });
    kit.network.connect(alice.peerId);
    await kit.clock.advance(30_000);
    kit.network.drop(alice.peerId);
    await kit.clock.advance(30_000);
    expect(kit.find(alice.peerId)?.figures).toMatchObject({
      latencyMs: 10,
      uptimeHours: null,
      bytesTransferred: 10,
    });
    peer.counters = { bytesSent: 1, bytesReceived: 1, requestsServed: 1 };
    kit.network.connect(alice.peerId);
    await kit.clock.advance(30_000);
    expect(kit.find(alice.peerId)?.figures).toMatchObject({ bytesTransferred: 12, requestsServed: 2 });
    kit.network.drop(alice.peerId);
    await kit.clock.advance(11 * 60_000);
    expect(kit.find(alice.peerId)?.figures).toMatchObject({ latencyMs: null, quality: null });
  });

  it("are kept as one point for each hour with a connection, oldest first, and none for others", async () => {
    const directory = makeDirectory();
    const kit = await RegistryKit.open({ directory });
    const peer = kit.network.add(alice, { rttMs: 40 });
    kit.network.connect(alice.peerId);
    await kit.clock.advance(HOUR_MS / 2);
    peer.rttMs = 80;
    await kit.clock.advance(HOUR_MS);
    kit.network.drop(alice.peerId);
    await kit.clock.advance(3 * HOUR_MS);
    kit.network.emit("heard", { record: await alice.seal(alice.record(kit.nowMs)), source: "gossip" });
    await until(() => kit.find(alice.peerId) !== undefined);
    kit.network.connect(alice.peerId);
    await kit.clock.advance(60_000);
    const points = async (hours: number): Promise<[number, number | null][]> => {
      const { points } = await kit.call.history({ peerId: alice.peerId, hours }, kit.message);
      const startMs = Date.UTC(2026, 0, 1);
      return points.map(({ atMs, latencyMs }) => [(atMs - startMs) / HOUR_MS, latencyMs]);
    };
    expect(await points(24)).toEqual([
      [0, 80],
      [1, 80],
      [4, 80],
    ]);
    expect(await points(1)).toEqual([[4, 80]]);
    await kit[Symbol.asyncDispose]();
    await kit.start(2);
    expect(await points(24)).toEqual([
      [0, 80],
      [1, 80],
      [4, 80],
    ]);
    await kit[Symbol.asyncDispose]();
  });

  it("of peers that do not answer pings lower their reliability", async () => {
    await using kit = await RegistryKit.open();
    const peer = kit.network.add(alice);
    kit.network.connect(alice.peerId);
    await kit.clock.advance(60_000);
    peer.isMute = true;
    await kit.clock.advance(60_000);
    const reliability = kit.find(alice.peerId)?.figures.reliability ?? 1;
    expect(reliability).toBeLessThan(0.8);
    expect(reliability).toBeGreaterThan(0.4);
  });
});

describe("discovering", () => {
  const discover = (kit: RegistryKit, overrides: object = {}): ReturnType<typeof kit.call.discover> =>
    kit.ending(
      Promise.resolve(
        kit.call.discover({ capabilities: [], max: 10, timeoutMs: 3_000, ...overrides }, kit.message),
      ),
    );

  it("asks those for their records of whom only a hint is known, and tells who has all of the capabilities", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice, { record: await alice.seal(alice.record(kit.nowMs)) });
    kit.network.add(bob, { record: await bob.seal(bob.record(kit.nowMs, { capabilities: ["compute"] })) });
    kit.network.add(carol, { isReachable: false });
    kit.network.providers = [{ peerId: alice.peerId, addresses: [addressOf(alice)], source: "dht" }];
    for (const signer of [bob, carol])
      kit.network.emit("sighted", { peerId: signer.peerId, addresses: [addressOf(signer)], source: "mdns" });
    await until(() => kit.peers().length === 2);
    const all = await discover(kit);
    expect(all.peers.map(({ peerId, verified }) => [peerId, verified])).toEqual([
      ...[alice.peerId, bob.peerId].toSorted().map((peerId) => [peerId, true]),
      [carol.peerId, false],
    ]);
    expect(all.sources).toContainEqual({ source: "dht", found: 1, failure: null, tookMs: anyNumber });
    expect(all.sources).toContainEqual({ source: "mdns", found: 2, failure: null, tookMs: 0 });
    const able = await discover(kit, { capabilities: ["compute", "storage"] });
    expect(able.peers.map(({ peerId }) => peerId)).toEqual([alice.peerId]);
    expect((await discover(kit, { max: 1 })).peers).toHaveLength(1);
  });

  it("tells which source failed, and why, in one sentence", async () => {
    // The clock stands still: reading takes real time, and the search would be over before.
    const search = { capabilities: [], max: 10, timeoutMs: 3_000 };
    await using kit = await RegistryKit.open({ file: "/proc/peers/of/nobody.json" });
    const { sources } = await kit.call.discover(search, kit.message);
    expect(sources).toContainEqual({ source: "local_file", found: 0, failure: null, tookMs: anyNumber });
    await using other = await RegistryKit.open({ file: "/proc/version" });
    const asked = await other.call.discover(search, other.message);
    const refused = asked.sources.find(({ source }) => source === "local_file");
    expect(refused?.failure).toContain(
      "/proc/version could not be asked or told: it is no document of peers",
    );
  });

  it.each([
    ["max", { max: 0 }],
    ["timeoutMs", { timeoutMs: -1 }],
    ["capabilities[0]", { capabilities: [""] }],
  ])("refuses a %s that is out of range", async (argument, overrides) => {
    await using kit = await RegistryKit.open();
    await expect(discover(kit, overrides)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument },
    });
  });
});

describe("a peer", () => {
  it("that nobody knows is PEER_NOT_FOUND", async () => {
    await using kit = await RegistryKit.open();
    const { peerId } = await makeSigner();
    await expect(kit.call.peer({ peerId }, kit.message)).rejects.toMatchObject({ code: "PEER_NOT_FOUND" });
    expect(() => kit.call.history({ peerId, hours: 1 }, kit.message)).toThrow(
      expect.objectContaining({ code: "PEER_NOT_FOUND" }) as Error,
    );
  });

  it("is forgotten with its history unless it is connected", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    kit.network.connect(alice.peerId);
    await until(() => kit.find(alice.peerId) !== undefined);
    const forget = async (): Promise<boolean> => kit.call.forget({ peerId: alice.peerId }, kit.message);
    expect(await forget()).toBe(false);
    kit.network.drop(alice.peerId);
    await until(() => kit.find(alice.peerId)?.status === "disconnected");
    expect(await forget()).toBe(true);
    expect(kit.peers()).toEqual([]);
    expect(await forget()).toBe(false);
  });

  it("may ask to be probed, and gets ports and a key of its own", async () => {
    await using kit = await RegistryKit.open();
    kit.network.add(alice);
    kit.network.connect(alice.peerId);
    kit.network.ask(alice.peerId, "registry.probe");
    await until(() => kit.network.replies.length === 1);
    const [reply] = kit.network.replies;
    expect(reply?.end.ok).toBe(true);
    expect(reply?.end.body?.byteLength).toBeGreaterThan(
      packValue([1, 0, 0, new Uint8Array(16)]).byteLength - 1,
    );
  });
});
