import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Reference, packValue, unpackValue } from "../../src/codec/index.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { Pulls, type PullTerms } from "../../src/remote/pulls.ts";
import { Shelf } from "../../src/remote/shelf.ts";
import { readBlobAsk, writeBlobPiece, type Parcel } from "../../src/remote/wire.ts";
import { openBlobs } from "../../src/store/index.ts";

const { pieceBytes, piecesAhead, inlineBytes } = LIMITS.remote;

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "remote-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return join(path, "blobs");
}

/** Two nodes with places of their own on disk: `shelf` is the one's, `pulls` the other's. */
function nodes({ mayUseOwn = false, bytesMax = 2 ** 30 } = {}) {
  const [theirs, ours] = [openBlobs({ directory: directory() }), directory()];
  const shelf = new Shelf(theirs);
  const blobs = openBlobs({ directory: ours });
  const traffic = { asked: 0, ahead: 0, mostAhead: 0 };
  const change: { piece: (bytes: Uint8Array, offset: number) => Uint8Array } = { piece: (bytes) => bytes };
  const line = {
    async ask(_: string, __: string, body: Uint8Array, { signal }: { signal?: AbortSignal }) {
      const wanted = readBlobAsk("us", body);
      traffic.asked += 1;
      traffic.ahead += 1;
      traffic.mostAhead = Math.max(traffic.mostAhead, traffic.ahead);
      try {
        if (signal?.aborted) throw fault("CANCELLED", { what: "a piece" });
        const { sizeBytes, bytes } = await shelf.read("us", wanted);
        return writeBlobPiece({ sizeBytes, bytes: change.piece(bytes, wanted.offset) });
      } finally {
        traffic.ahead -= 1;
      }
    },
  };
  const pulls = new Pulls({ line, blobs, pieceMs: 1_000 });
  const controller = new AbortController();
  const terms: PullTerms = { peerId: "them", bytesMax, mayUseOwn, signal: controller.signal };
  const fetch = (parcel: Parcel, more: Partial<PullTerms> = {}) => pulls.value(parcel, { ...terms, ...more });
  const unfinished = (): string[] => {
    try {
      return readdirSync(join(ours, "tmp"));
    } catch {
      return [];
    }
  };
  return { theirs, blobs, shelf, fetch, traffic, change, controller, unfinished };
}

const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("a value that is sent by reference", () => {
  it("arrives whole, with what it refers to in its turn, and in the place of this node", async () => {
    const { theirs, blobs, shelf, fetch } = nodes();
    const inner = await theirs.put(packValue(randomBytes(pieceBytes * 2 + 17).toString("hex")));
    const outer = await theirs.put(packValue({ part: new Reference(inner.sha256, inner.sizeBytes) }));
    const input = packValue([new Reference(outer.sha256, outer.sizeBytes)]);
    const parcel = shelf.put("us", 1, input);
    expect(parcel).toBe(input);
    expect(await fetch(parcel)).toEqual(input);
    expect(sha(await blobs.get(inner.sha256))).toBe(inner.sha256);
    expect(sha(await blobs.get(outer.sha256))).toBe(outer.sha256);
  });

  it("is asked for with so many pieces ahead, and no more, however large it is", async () => {
    const { theirs, shelf, fetch, traffic } = nodes();
    const { sha256, sizeBytes } = await theirs.put(randomBytes(pieceBytes * 40));
    await fetch(shelf.put("us", 1, packValue(new Reference(sha256, sizeBytes))));
    expect(traffic.asked).toBe(40);
    expect(traffic.mostAhead).toBeLessThanOrEqual(piecesAhead);
    expect(traffic.mostAhead).toBeGreaterThan(1);
  });

  it("is transferred once for all tasks that name it, and not again to a peer that has sent it", async () => {
    const { theirs, shelf, fetch, traffic } = nodes();
    const { sha256, sizeBytes } = await theirs.put(randomBytes(pieceBytes * 3));
    const parcels = [1, 2, 3].map((token) =>
      shelf.put("us", token, packValue([token, new Reference(sha256, sizeBytes)])),
    );
    await Promise.all(parcels.map((parcel) => fetch(parcel)));
    await fetch(shelf.put("us", 4, packValue(new Reference(sha256, sizeBytes))));
    expect(traffic.asked).toBe(3);
  });

  it("is not taken from here on the word of a peer that does not have it", async () => {
    const { blobs, fetch, traffic } = nodes();
    const { sha256, sizeBytes } = await blobs.put(packValue("our secret"));
    await expect(fetch(packValue(new Reference(sha256, sizeBytes)))).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
    expect(traffic.asked).toBe(1);
  });

  it("is taken from here where nothing depends on the peer's word", async () => {
    const { blobs, fetch, traffic } = nodes({ mayUseOwn: true });
    const { sha256, sizeBytes } = await blobs.put(packValue("our own"));
    await fetch(packValue(new Reference(sha256, sizeBytes)));
    expect(traffic.asked).toBe(0);
  });

  it.each<[string, (bytes: Uint8Array, offset: number) => Uint8Array, string]>([
    ["is another", (bytes) => bytes.with(0, (bytes[0] ?? 0) ^ 1), "BLOB_CORRUPT"],
    [
      "is shorter in the middle",
      (bytes, offset) => (offset === pieceBytes ? bytes.subarray(1) : bytes),
      "PEER_PROTOCOL",
    ],
  ])("and %s than it said is refused, and nothing is left of it", async (_, piece, code) => {
    const { theirs, blobs, shelf, fetch, change, unfinished } = nodes();
    const { sha256, sizeBytes } = await theirs.put(randomBytes(pieceBytes * 3));
    change.piece = piece;
    await expect(
      fetch(shelf.put("us", 1, packValue(new Reference(sha256, sizeBytes)))),
    ).rejects.toMatchObject({ code });
    expect(await blobs.has(sha256)).toBe(false);
    expect(unfinished()).toEqual([]);
  });

  it("and is larger than is allowed is refused after its first piece, whatever it said", async () => {
    const { theirs, shelf, fetch, traffic } = nodes({ bytesMax: pieceBytes * 4 });
    const { sha256 } = await theirs.put(randomBytes(pieceBytes * 5));
    await expect(fetch(shelf.put("us", 1, packValue(new Reference(sha256, 1))))).rejects.toMatchObject({
      code: "SIZE_EXCEEDED",
    });
    expect(traffic.asked).toBe(1);
  });

  it("and is as large as is allowed, all parts together, arrives; with one byte less allowed it does not", async () => {
    const { theirs, shelf, fetch } = nodes();
    const [one, two] = [await theirs.put(randomBytes(1_000)), await theirs.put(randomBytes(2_000))];
    const input = packValue([one, two].map(({ sha256, sizeBytes }) => new Reference(sha256, sizeBytes)));
    const whole = input.byteLength + 3_000;
    const parcel = shelf.put("us", 1, input);
    await expect(fetch(parcel, { bytesMax: whole - 1 })).rejects.toMatchObject({ code: "SIZE_EXCEEDED" });
    expect(await fetch(parcel, { bytesMax: whole })).toEqual(input);
  });

  it("is given up when nobody waits for it any more, and nothing is left of it", async () => {
    const { theirs, blobs, shelf, fetch, change, controller, unfinished } = nodes();
    const { sha256, sizeBytes } = await theirs.put(randomBytes(pieceBytes * 20));
    change.piece = (bytes, offset) => {
      if (offset === pieceBytes * 3) controller.abort(fault("CANCELLED", { what: "the task" }));
      return bytes;
    };
    await expect(
      fetch(shelf.put("us", 1, packValue(new Reference(sha256, sizeBytes)))),
    ).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await blobs.has(sha256)).toBe(false);
    expect(unfinished()).toEqual([]);
  });
});

describe("bytes that are too many to travel with a task", () => {
  it("go by their hash, and arrive as they were", async () => {
    const { shelf, fetch } = nodes();
    const bytes = packValue("x".repeat(inlineBytes * 5));
    const parcel = shelf.put("us", 1, bytes);
    expect(parcel).toEqual({ sha256: sha(bytes), sizeBytes: bytes.byteLength });
    const arrived = await fetch(parcel);
    expect(unpackValue(arrived)).toBe("x".repeat(inlineBytes * 5));
  });

  it("of just that many travel with it", () => {
    const { shelf } = nodes();
    expect(shelf.put("us", 1, new Uint8Array(inlineBytes))).toBeInstanceOf(Uint8Array);
    expect(shelf.put("us", 1, new Uint8Array(inlineBytes + 1))).not.toBeInstanceOf(Uint8Array);
  });

  it("that are no packed value are refused", async () => {
    const { fetch } = nodes();
    await expect(fetch(Uint8Array.of(0xc1))).rejects.toMatchObject({ code: "PEER_PROTOCOL" });
  });
});

describe("what a peer may ask for", () => {
  it("is what its own tasks name, for as long as they are under way", async () => {
    const { theirs, shelf } = nodes();
    const { sha256, sizeBytes } = await theirs.put(packValue("value"));
    const ask = { sha256, offset: 0, length: 100 };
    const reads = (peerId: string) =>
      shelf.read(peerId, ask).then(
        () => true,
        () => false,
      );
    expect(await reads("us")).toBe(false);
    shelf.put("us", 7, packValue(new Reference(sha256, sizeBytes)));
    expect([await reads("us"), await reads("somebody else")]).toEqual([true, false]);
    shelf.clear("us", 7);
    expect(await reads("us")).toBe(false);
  });

  it("is nothing on disk when this node keeps nothing there", async () => {
    const shelf = new Shelf(null);
    shelf.put("us", 1, packValue(new Reference("0".repeat(64), 1)));
    await expect(shelf.read("us", { sha256: "0".repeat(64), offset: 0, length: 1 })).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
  });
});
