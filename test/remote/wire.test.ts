import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { LIMITS, fault, isFault, toWireError } from "../../src/errors/index.ts";
import {
  packClaims,
  tokenBytes,
  tokenText,
  unpackClaims,
  type GrantClaims,
} from "../../src/remote/grant-token.ts";
import * as wire from "../../src/remote/wire.ts";
import { seededRandom } from "../kit/seeded-random.ts";

const error = toWireError(fault("HANDLER_FAILED", { action: "work", text: "no" }));
const parcel = { sha256: "ab".repeat(32), sizeBytes: 2 ** 33 };
const hello: wire.Hello = { life: 2 ** 52, token: Uint8Array.of(1, 2), leaseMs: 15_000 };
const terms: wire.Terms = {
  ...{ life: 1, actions: ["a"], tools: ["*"], concurrency: 1_000, perMinute: 10, bytesMax: 2 ** 34 },
  ...{ expiresAtMs: 1.8e12, room: 3, held: [1, 2 ** 40] },
};
const start: wire.Start = {
  life: 1,
  items: [
    { token: 1, taskId: "t", action: "a", input: packValue(1), attempt: 1, timeoutMs: null },
    { token: 2, taskId: "u", action: "b", input: parcel, attempt: 7, timeoutMs: 1_000 },
    {
      ...{ token: 3, taskId: "v", action: "b", input: parcel, attempt: 1, timeoutMs: null },
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
  ],
};
const started: wire.Started = { life: 1, sequence: 9, room: 0, refused: [{ token: 1, error, afterMs: 20 }] };
const tell: wire.Tell = {
  ...{ life: 1, sequence: 2, room: 3, held: [4] },
  progress: [{ token: 4, fraction: 0.5, message: "half" }],
  ends: [
    { token: 1, kind: "completed", output: packValue(1), error: null },
    { token: 2, kind: "completed", output: parcel, error: null },
    { token: 3, kind: "failed", output: null, error },
    { token: 5, kind: "interrupted", output: null, error },
    { token: 6, kind: "returned", output: null, error: null },
  ],
};
const told: wire.Told = { forget: [1], stop: [2, 3] };
const ask: wire.BlobAsk = { sha256: "0".repeat(64), offset: 2 ** 33, length: LIMITS.remote.pieceBytes };
const piece: wire.BlobPiece = { sizeBytes: 5, bytes: Uint8Array.of(1) };

type Case = [string, Uint8Array, (body: Uint8Array) => unknown, unknown];
const read =
  <T>(reader: (peerId: string, body: Uint8Array) => T) =>
  (body: Uint8Array): T =>
    reader("P", body);
const cases: Case[] = [
  ["hello", wire.writeHello(hello), read(wire.readHello), hello],
  ["terms", wire.writeTerms(terms), read(wire.readTerms), terms],
  ["start", wire.writeStart(start), read(wire.readStart), start],
  ["started", wire.writeStarted(started), read(wire.readStarted), started],
  ["stop", wire.writeStop([1, 2]), read(wire.readStop), [1, 2]],
  ["tell", wire.writeTell(tell), read(wire.readTell), tell],
  ["told", wire.writeTold(told), read(wire.readTold), told],
  ["ask", wire.writeBlobAsk(ask), read(wire.readBlobAsk), ask],
  ["piece", wire.writeBlobPiece(piece), read(wire.readBlobPiece), piece],
];

/** Whoever makes a text of them in the usual way meets an error instead. */
const unprintable: { version: unknown }[] = [
  { version: { toString: 0, valueOf: 0 } },
  { version: [{ toString: 0, valueOf: 0 }] },
];

describe("a message between nodes", () => {
  it.each(cases)("is read as it was written: %s", (_, body, reader, value) => {
    expect(reader(body)).toEqual(value);
  });

  it.each(cases)(
    "that was changed on the way is another message or PEER_PROTOCOL, and nothing else: %s",
    (_, body, reader) => {
      const random = seededRandom(1);
      for (let round = 0; round < 3_000; round++) {
        const changed = new Uint8Array(body);
        for (let count = 1 + Math.floor(random.next() * 3); count > 0; count--) {
          changed[Math.floor(random.next() * changed.length)] = Math.floor(random.next() * 256);
        }
        const cut =
          random.next() < 0.2 ? changed.subarray(0, Math.floor(random.next() * changed.length)) : changed;
        onlyProtocol(() => reader(cut));
      }
    },
  );

  it("of any shape is read or PEER_PROTOCOL", () => {
    const anything = fc.anything({ withBigInt: false, withTypedArray: false }).filter(isPackable);
    fc.assert(
      fc.property(anything, (value) => {
        for (const [, , reader] of cases) onlyProtocol(() => reader(packValue([1, value, value])));
      }),
    );
  });

  it.each(unprintable)("of a version that cannot be made a text is PEER_PROTOCOL: %j", ({ version }) => {
    for (const [, , reader] of cases) {
      expect(() => reader(packValue([version, 1]))).toThrow("could not be understood: it speaks version");
    }
  });

  it.each<[string, () => wire.Start]>([
    ["an input", () => item({ input: new Uint8Array(LIMITS.remote.inlineBytes + 1) })],
    ["a name", () => item({ taskId: "x".repeat(LIMITS.queue.nameChars + 1) })],
    ["a time-out", () => item({ timeoutMs: LIMITS.queue.timeoutMs + 1 })],
    ["a trace", () => item({ traceparent: "0".repeat(56) })],
    [
      "the tasks",
      () => ({ life: 1, items: Array.from({ length: LIMITS.remote.batchTasks + 1 }, () => first) }),
    ],
  ])("with more than there may be is refused: %s", (_, make) => {
    expect(() => wire.readStart("P", wire.writeStart(make()))).toThrow("could not be understood");
  });

  it("with a trace that is none is read without it", () => {
    const { items } = wire.readStart("P", wire.writeStart(item({ traceparent: "nonsense" })));
    expect(items).toEqual([first]);
  });

  it("with as much as there may be is read", () => {
    const most = item({
      input: new Uint8Array(LIMITS.remote.inlineBytes),
      taskId: "x".repeat(LIMITS.queue.nameChars),
    });
    expect(wire.readStart("P", wire.writeStart(most))).toEqual(most);
  });
});

const [first] = start.items as [wire.StartItem];
const item = (more: Partial<wire.StartItem>): wire.Start => ({ life: 1, items: [{ ...first, ...more }] });

function onlyProtocol(run: () => unknown): void {
  try {
    run();
  } catch (thrown) {
    if (!isFault(thrown, "PEER_PROTOCOL")) throw thrown;
  }
}

function isPackable(value: unknown): boolean {
  try {
    packValue(value);
    return true;
  } catch {
    return false;
  }
}

describe("what a token says", () => {
  const claims: GrantClaims = {
    ...{ grantId: "g", issuer: "I", audience: "A", actions: ["a"], tools: [], concurrency: 1, perMinute: 2 },
    ...{ bytesMax: 2 ** 34, issuedAtMs: 1.7e12, expiresAtMs: 1.8e12 },
  };

  it.each(unprintable)("is TOKEN_INVALID when its version cannot be made a text: %j", ({ version }) => {
    expect(() => unpackClaims(packValue([version]))).toThrow("it is of version");
  });

  it("is read as it was written, and so is its text", () => {
    expect(unpackClaims(packClaims(claims))).toEqual(claims);
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
    expect(tokenBytes(tokenText(bytes))).toEqual(bytes);
  });

  it.each([
    ["another version", packValue([2])],
    ["fewer fields", packValue([1, "g", "I", "A", [], []])],
    ["a bound that is no number", packValue([1, "g", "I", "A", [], [], "x", 1, 1, 1, 1])],
    ["a negative bound", packValue([1, "g", "I", "A", [], [], -1, 1, 1, 1, 1])],
    ["an action that is no name", packValue([1, "g", "I", "A", [""], [], 1, 1, 1, 1, 1])],
    ["nobody", packValue([1, "g", "", "A", [], [], 1, 1, 1, 1, 1])],
    ["no list", packValue("x")],
    ["no value", Uint8Array.of(0xc1)],
  ])("is refused with %s", (_, payload) => {
    expect(() => unpackClaims(payload)).toThrow("the token cannot be used");
  });
});
