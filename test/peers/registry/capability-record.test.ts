import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packValue } from "../../../src/codec/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import {
  RECORD_DOMAIN,
  RECORD_TYPE,
  checkRecord,
  recordContent,
  type CheckedRecord,
  type PeerRecord,
} from "../../../src/peers/capability-record.ts";
import { envelopeOf, openEnvelope } from "../../../src/peers/sealed-envelope.ts";
import { seededRandom, testSeed } from "../../kit/seeded-random.ts";
import { makeSigners, type Signer } from "./record-kit.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const [alice, mallory] = (await makeSigners(2)) as [Signer, Signer];

const check = (sealed: Uint8Array, sequence?: number): Promise<CheckedRecord> =>
  checkRecord(sealed, { nowMs: NOW_MS, sequenceOf: () => sequence });
const whyRefused = async (sealed: Uint8Array, sequence?: number): Promise<string> => {
  const checked = await check(sealed, sequence);
  return checked.verdict === "refused" ? checked.for : checked.verdict;
};
const sealPayload = (
  payload: Uint8Array,
  { domain = RECORD_DOMAIN, payloadType = RECORD_TYPE, key = alice.key } = {},
): Promise<Uint8Array> => envelopeOf(key, { domain, payloadType, payload });
const members = (record: PeerRecord = alice.record(NOW_MS)): unknown[] => [
  1,
  record.peerId,
  record.capabilities,
  record.addresses,
  record.sequence,
  record.issuedAtMs,
  record.expiresAtMs,
];
const sealMembers = (changed: Record<number, unknown>): Promise<Uint8Array> =>
  sealPayload(packValue(Object.values(Object.assign(members(), changed))));

describe("a sealed envelope", () => {
  it("tells who has signed what, for the domain that it was signed for", async () => {
    const payload = Uint8Array.of(1, 2, 3);
    const sealed = await sealPayload(payload, { domain: "one" });
    expect(await openEnvelope(sealed, "one")).toEqual({
      peerId: alice.peerId,
      payloadType: RECORD_TYPE,
      payload,
    });
    await expect(openEnvelope(sealed, "another")).rejects.toMatchObject({
      code: "RECORD_INVALID",
      details: { why: "its signature does not hold" },
    });
  });

  it.each([
    ["nothing", new Uint8Array()],
    ["zeros", new Uint8Array(200)],
    ["text", new TextEncoder().encode("not an envelope, whatever it says")],
  ])("that is %s is refused with a sentence", async (_what, bytes) => {
    await expect(openEnvelope(bytes, "one")).rejects.toMatchObject({ code: "RECORD_INVALID" });
  });
});

describe("a record", () => {
  it("that is in order comes back as it was signed, with its capabilities sorted and each once", async () => {
    const record = alice.record(NOW_MS, { capabilities: ["b", "a", "b"] });
    const checked = await check(await alice.seal(record));
    expect(checked).toEqual({ verdict: "good", record: { ...record, capabilities: ["a", "b"] } });
  });

  it("is known, and not refused, when it has the sequence of the one that is known", async () => {
    expect(await whyRefused(await alice.seal(alice.record(NOW_MS)), NOW_MS)).toBe("known");
  });

  it("of more bytes than allowed is refused before anything of it is read", async () => {
    expect(await whyRefused(new Uint8Array(LIMITS.discovery.recordBytes + 1))).toBe("size");
    expect(await whyRefused(new Uint8Array(LIMITS.discovery.recordBytes))).toBe("envelope");
  });

  it("signed for another domain, or of another type, is refused", async () => {
    const payload = packValue(members());
    expect(await whyRefused(await sealPayload(payload, { domain: "libp2p-peer-record" }))).toBe("envelope");
    expect(await whyRefused(await sealPayload(payload, { payloadType: Uint8Array.of(1) }))).toBe("type");
  });

  it.each<[string, Record<number, unknown>]>([
    ["another version", { 0: 2 }],
    ["no id", { 1: "" }],
    ["capabilities that are no list", { 2: "compute" }],
    ["capabilities out of order", { 2: ["b", "a"] }],
    ["a capability twice", { 2: ["a", "a"] }],
    ["a capability that is no text", { 2: [1] }],
    ["a capability with a line break", { 2: ["a\nb"] }],
    ["a capability too long", { 2: ["a".repeat(LIMITS.peers.capabilityChars + 1)] }],
    [
      "too many capabilities",
      { 2: Array.from({ length: LIMITS.peers.capabilities + 1 }, (_, at) => String(100 + at)) },
    ],
    ["an address that is none", { 3: ["localhost:80"] }],
    ["an address that is not canonical", { 3: ["/ip6/0:0:0:0:0:0:0:1/tcp/1"] }],
    [
      "too many addresses",
      { 3: Array.from({ length: LIMITS.network.addresses + 1 }, (_, at) => `/ip4/1.1.1.1/tcp/${at + 1}`) },
    ],
    ["a sequence that is no whole number", { 4: 1.5 }],
    ["a sequence below zero", { 4: -1 }],
    ["an end before its beginning", { 6: NOW_MS - 1 }],
    ["one member more", { 7: "more" }],
  ])("with %s is refused", async (_what, changed) => {
    expect(await whyRefused(await sealMembers(changed))).toBe("shape");
  });

  it("of one peer signed by another is refused", async () => {
    expect(await whyRefused(await mallory.seal(alice.record(NOW_MS)))).toBe("signer");
  });

  it("holds until it expires, and not at that moment", async () => {
    const ending = (expiresAtMs: number): PeerRecord =>
      alice.record(NOW_MS, { issuedAtMs: NOW_MS - 1_000, expiresAtMs });
    expect(await whyRefused(await alice.seal(ending(NOW_MS + 1)))).toBe("good");
    expect(await whyRefused(await alice.seal(ending(NOW_MS)))).toBe("expired");
  });

  it("issued in the future is refused beyond the difference that clocks may have", async () => {
    const { skewMs } = LIMITS.discovery;
    const issued = (issuedAtMs: number): PeerRecord =>
      alice.record(NOW_MS, { issuedAtMs, expiresAtMs: issuedAtMs + 1_000 });
    expect(await whyRefused(await alice.seal(issued(NOW_MS + skewMs)))).toBe("good");
    expect(await whyRefused(await alice.seal(issued(NOW_MS + skewMs + 1)))).toBe("future");
  });

  it("that holds for longer than allowed is refused", async () => {
    const { recordTtlMs } = LIMITS.discovery;
    const lasting = (ttlMs: number): PeerRecord => alice.record(NOW_MS, { expiresAtMs: NOW_MS + ttlMs });
    expect(await whyRefused(await alice.seal(lasting(recordTtlMs)))).toBe("good");
    expect(await whyRefused(await alice.seal(lasting(recordTtlMs + 1)))).toBe("ttl");
  });

  it("with a sequence below the one that is known is refused", async () => {
    expect(await whyRefused(await alice.seal(alice.record(NOW_MS)), NOW_MS + 1)).toBe("sequence");
    expect(await whyRefused(await alice.seal(alice.record(NOW_MS)), NOW_MS - 1)).toBe("good");
  });

  it("with an address that leads to another peer is refused, and through a relay the relay is none such", async () => {
    const at = (...addresses: string[]): Promise<Uint8Array> =>
      alice.seal(alice.record(NOW_MS, { addresses }));
    expect(await whyRefused(await at(`/ip4/1.1.1.1/tcp/1/p2p/${mallory.peerId}`))).toBe("address");
    const relayed = `/ip4/1.1.1.1/tcp/1/p2p/${mallory.peerId}/p2p-circuit`;
    expect(await whyRefused(await at(`${relayed}/p2p/${alice.peerId}`, "/ip4/1.1.1.1/tcp/2"))).toBe("good");
    expect(await whyRefused(await at(`${relayed}/p2p/${mallory.peerId}`))).toBe("address");
  });

  it("is refused for the first thing that is wrong, in the order of the checks", async () => {
    // Expired, issued in the future, too long and old all at once.
    const { recordTtlMs } = LIMITS.discovery;
    const wrong = { issuedAtMs: NOW_MS + 100_000, expiresAtMs: NOW_MS + 200_000 + recordTtlMs, sequence: 1 };
    expect(await whyRefused(await alice.seal(alice.record(NOW_MS, wrong)), 2)).toBe("future");
    expect(await whyRefused(await mallory.seal(alice.record(NOW_MS, wrong)), 2)).toBe("signer");
  });

  it("never says what its signer has not said, however its bytes are changed (RECORD_FUZZ of them)", async () => {
    const random = seededRandom(testSeed());
    const whole = (max: number): number => Math.floor(random.next() * max);
    const tries = Number(process.env["RECORD_FUZZ"] ?? 500);
    const record = alice.record(NOW_MS);
    const good = await alice.seal(record);
    let accepted = 0;
    for (let nth = 0; nth < tries; nth++) {
      const checked = await check(mutated(good, whole));
      if (checked.verdict === "refused") continue;
      accepted += 1;
      expect(checked.record).toEqual(record);
    }
    // Some bits of the encoding mean nothing, most mean something.
    expect(accepted).toBeLessThan(tries / 4 + 10);
  }, 600_000);

  it("is refused, and nothing thrown, whatever its payload is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (payload) => {
        expect(await whyRefused(await sealPayload(payload))).toBe("shape");
      }),
      { numRuns: 200 },
    );
  });

  it("is packed within its bound of bytes, with room to spare for what is usual", async () => {
    expect((await alice.seal(alice.record(NOW_MS))).byteLength).toBeLessThan(512);
    expect(recordContent(alice.record(NOW_MS)).payload.byteLength).toBeLessThan(300);
  });
});

/** One to four changes of the kinds that happen by accident and by intent. */
function mutated(bytes: Uint8Array, whole: (max: number) => number): Uint8Array {
  let changed = Uint8Array.from(bytes);
  for (let times = 1 + whole(4); times > 0; times--) {
    const at = whole(changed.length || 1);
    const kind = whole(5);
    if (kind === 0) changed[at] = (changed[at] ?? 0) ^ (1 << whole(8));
    else if (kind === 1) changed[at] = whole(256);
    else if (kind === 2) changed = changed.slice(0, at);
    else if (kind === 3)
      changed = Uint8Array.from([...changed.slice(0, at), whole(256), ...changed.slice(at)]);
    else changed = Uint8Array.from([...changed.slice(0, at), ...changed.slice(at + 1 + whole(8))]);
  }
  return changed;
}
